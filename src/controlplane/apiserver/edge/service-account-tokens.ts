import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { Clock } from '../../../base/clock.ts'
import type { User } from '../user.ts'

export const TOKEN_ISSUER = 'https://kubernetes.default.svc.cluster.local'

export interface TokenSubject {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly pod?: { readonly name: string; readonly uid: string }
}

export interface IssuedToken {
  readonly token: string
  readonly expirationTimestamp: string
}

/** Looks up whether what a token is bound to still exists with the same uid. */
export interface TokenBindings {
  serviceAccountUid(namespace: string, name: string): string | undefined
  podUid(namespace: string, name: string): string | undefined
}

export interface ServiceAccountTokens {
  readonly apiAudiences: readonly string[]
  issue(subject: TokenSubject, audiences: readonly string[], expirationSeconds: number): Promise<IssuedToken>
  /** The user a token stands for; undefined when it is not a valid one (wrong key, expired, audience, subject gone). */
  verify(token: string, bindings: TokenBindings, audiences?: readonly string[]): Promise<User | undefined>
}

interface KubernetesClaims {
  readonly namespace: string
  readonly serviceaccount: { readonly name: string; readonly uid: string }
  readonly pod?: { readonly name: string; readonly uid: string }
}

function isClaims(value: unknown): value is KubernetesClaims {
  const claims = value as KubernetesClaims | undefined
  return (
    typeof claims?.namespace === 'string' &&
    typeof claims.serviceaccount?.name === 'string' &&
    typeof claims.serviceaccount.uid === 'string'
  )
}

/** Service-account tokens as TokenRequest gives them: ES256 JWTs bound to the account and, if asked, to a pod. */
export function createServiceAccountTokens(privateKeyPem: string, clock: Clock): ServiceAccountTokens {
  const privateKey: KeyObject = createPrivateKey(privateKeyPem)
  const publicKey = createPublicKey(privateKey)
  const apiAudiences = [TOKEN_ISSUER]
  return {
    apiAudiences,
    async issue(subject, audiences, expirationSeconds) {
      const { SignJWT } = await import('jose')
      const issuedAt = Math.floor(clock.now() / 1000)
      const expires = issuedAt + expirationSeconds
      const claims: KubernetesClaims = {
        namespace: subject.namespace,
        serviceaccount: { name: subject.name, uid: subject.uid },
        ...(subject.pod === undefined ? {} : { pod: subject.pod }),
      }
      const token = await new SignJWT({ 'kubernetes.io': claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
        .setIssuer(TOKEN_ISSUER)
        .setSubject(`system:serviceaccount:${subject.namespace}:${subject.name}`)
        .setAudience(audiences.length > 0 ? [...audiences] : apiAudiences)
        .setIssuedAt(issuedAt)
        .setNotBefore(issuedAt)
        .setExpirationTime(expires)
        .setJti(crypto.randomUUID())
        .sign(privateKey)
      return { token, expirationTimestamp: new Date(expires * 1000).toISOString().replace('.000Z', 'Z') }
    },
    async verify(token, bindings, audiences = apiAudiences) {
      const { jwtVerify } = await import('jose')
      let claims: unknown
      try {
        // One algorithm and one key: `none`, an HMAC over the public key, and a `kid` have nothing to choose from.
        const { payload } = await jwtVerify(token, publicKey, {
          algorithms: ['ES256'],
          issuer: TOKEN_ISSUER,
          audience: [...audiences],
          currentDate: new Date(clock.now()),
        })
        claims = payload['kubernetes.io']
      } catch {
        return undefined
      }
      if (!isClaims(claims)) return undefined
      const { namespace, serviceaccount, pod } = claims
      if (bindings.serviceAccountUid(namespace, serviceaccount.name) !== serviceaccount.uid) return undefined
      if (pod !== undefined && bindings.podUid(namespace, pod.name) !== pod.uid) return undefined
      return {
        name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
        uid: serviceaccount.uid,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        ...(pod === undefined
          ? {}
          : {
              extra: {
                'authentication.kubernetes.io/pod-name': [pod.name],
                'authentication.kubernetes.io/pod-uid': [pod.uid],
              },
            }),
      }
    },
  }
}

import { verify } from 'node:crypto'
import { PROXY_USER } from '../../api/component-users.ts'
import {
  CA_PATH,
  JOIN_PATH,
  type JoinAnswer,
  type JoinRequest,
  type ProvenKey,
  proofText,
} from '../../api/machine-join.ts'
import { PROXY_SERVICE } from '../../api/proxy-endpoints.ts'
import { StatusError } from '../../api/status-error.ts'
import { NODE_COUNT_MAX, type NodeAddresses } from '../../base/address-layout.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { KeyAndCertificate, LeafRequest } from '../apiserver/edge/certificate-authority.ts'
import type { RequestHandler, ServerRequest, ServerResponse } from '../apiserver/server-request.ts'
import type { User } from '../apiserver/user.ts'
import type { Store } from '../store/store.ts'
import { agentSecret, certificateHash, isSameSecret } from './cluster-token.ts'
import { hashOfSecret, registerMachine } from './machines.ts'
import type { MachinePlan } from './machines-plan.ts'

/** Who shows the agent token: it may join, and otherwise no more than anybody who is known. */
export const JOINING_USER: User = {
  name: 'system:bootstrap:wherry-agent',
  groups: ['system:bootstrappers', 'system:authenticated'],
}

const MACHINE_NAME = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/

export interface JoinOptions {
  /** Answers everything else. */
  readonly next: RequestHandler
  readonly store: Store
  readonly ca: KeyAndCertificate
  readonly cluster: Pick<JoinAnswer, 'clusterName' | 'octet' | 'runtime'>
  /** Name and addresses of the node with a number. */
  readonly nodeAt: (number: number) => NodeAddresses
  readonly serverToken: string
  /** Every API server there is, `https://address:port`. */
  readonly servers: () => readonly string[]
  readonly nodeExists: (name: string) => boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** The user that the agent token stands for. */
export function createVerifyAgentToken(serverToken: string): (token: string) => User | undefined {
  const secret = agentSecret(serverToken)
  return (token) => (isSameSecret(token, secret) ? JOINING_USER : undefined)
}

function answer(status: number, type: string, text: string): ServerResponse {
  return { status, headers: { 'content-type': type }, body: Buffer.from(text) }
}

function isProven(key: unknown): key is ProvenKey {
  const { publicKey, proof } = (key ?? {}) as Partial<ProvenKey>
  return typeof publicKey === 'string' && publicKey.length < 1_000 && typeof proof === 'string'
}

/** Throws StatusError for what is no such request. */
function readRequest(bytes: Uint8Array): JoinRequest {
  let request: Partial<JoinRequest> | null
  try {
    request = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    throw new StatusError('BadRequest', 'the body is no JSON')
  }
  const { machine, secret, nodeKeys, proxyKey } = request ?? {}
  if (typeof machine !== 'string' || !MACHINE_NAME.test(machine))
    throw new StatusError('BadRequest', 'machine: expected up to 63 lower-case letters, digits, dots and dashes')
  if (typeof secret !== 'string' || secret.length < 32 || secret.length > 256)
    throw new StatusError('BadRequest', 'secret: expected 32 to 256 characters')
  if (!Array.isArray(nodeKeys) || nodeKeys.length < 1 || nodeKeys.length > NODE_COUNT_MAX || !nodeKeys.every(isProven))
    throw new StatusError('BadRequest', `nodeKeys: expected 1 to ${NODE_COUNT_MAX} keys with their proofs`)
  if (!isProven(proxyKey)) throw new StatusError('BadRequest', 'proxyKey: expected a key with its proof')
  return { machine, secret, nodeKeys, proxyKey }
}

function checkProof(caHash: string, machine: string, { publicKey, proof }: ProvenKey): void {
  try {
    const text = Buffer.from(proofText(caHash, machine, publicKey))
    if (verify('sha256', text, publicKey, Buffer.from(proof, 'base64'))) return
  } catch {
    // Falls through: what is no key proves nothing.
  }
  throw new StatusError('BadRequest', 'a proof does not fit its key, this cluster and this machine')
}

/** The numbers of a granted plan. Throws StatusError for any other. */
function nodesOf(plan: MachinePlan, machine: string): readonly number[] {
  switch (plan.kind) {
    case 'granted':
      return plan.nodes
    case 'nameTaken':
      throw new StatusError(
        'Conflict',
        `another machine joined as "${machine}"; give this one another name with --machine, put back its data directory, or, if it was set up anew, delete its nodes first: kubectl delete node`,
      )
    case 'numbersTaken':
    case 'full':
      throw new StatusError('Conflict', `a cluster has at most ${NODE_COUNT_MAX} nodes, and all are given out`)
  }
}

/**
 * How machines join: one reads the CA's certificate and knows by its token that it is the right one, sends its public
 * keys, and gets node numbers and certificates. What subjects and addresses those name, the server alone decides.
 */
export function createJoinHandler(options: JoinOptions): RequestHandler {
  const { next, store, ca, cluster, nodeAt, clock, logger } = options
  const caHash = certificateHash(ca.cert)

  const join = async (request: ServerRequest): Promise<ServerResponse> => {
    if (request.user?.name !== JOINING_USER.name)
      throw new StatusError('Unauthorized', 'the agent token is not that of this cluster')
    const { machine, secret, nodeKeys, proxyKey } = readRequest(await request.readBody())
    for (const key of [...nodeKeys, proxyKey]) checkProof(caHash, machine, key)
    const plan = await registerMachine(
      store,
      { name: machine, secretHash: hashOfSecret(secret), count: nodeKeys.length },
      ({ nodes }) => !nodes.some((number) => options.nodeExists(nodeAt(number).name)),
    )
    const numbers = nodesOf(plan, machine)
    const { openAuthority } = await import('../apiserver/edge/certificate-authority.ts')
    const authority = await openAuthority(ca)
    const certify = async ({ publicKey }: ProvenKey, leaf: LeafRequest): Promise<string> => {
      try {
        return await authority.certify(publicKey, leaf, clock.now())
      } catch {
        throw new StatusError('BadRequest', 'a key is not of the kind P-256')
      }
    }
    const nodes = await Promise.all(
      numbers.map(async (number, i) => {
        const { name, address } = nodeAt(number)
        const certificate = await certify(nodeKeys[i]!, {
          commonName: `system:node:${name}`,
          organizations: ['system:nodes'],
          dnsNames: [name],
          ipAddresses: [address],
          usages: ['server', 'client'],
        })
        return { number, certificate }
      }),
    )
    const proxyCertificate = await certify(proxyKey, {
      commonName: PROXY_USER,
      organizations: [],
      dnsNames: [PROXY_SERVICE.name],
      ipAddresses: numbers.slice(0, 1).map((number) => nodeAt(number).address),
      usages: ['server', 'client'],
    })
    logger.info({ machine, nodes: numbers, from: request.sourceIp }, 'a machine has joined')
    const joined: JoinAnswer = { ...cluster, nodes, proxyCertificate, servers: options.servers() }
    return answer(200, 'application/json', JSON.stringify(joined))
  }

  return {
    async handle(request) {
      if (request.path === CA_PATH && request.method === 'GET') return answer(200, 'application/x-pem-file', ca.cert)
      if (request.path !== JOIN_PATH) return next.handle(request)
      try {
        if (request.method !== 'POST') throw new StatusError('MethodNotAllowed', 'machines join with POST')
        return await join(request)
      } catch (error) {
        if (!(error instanceof StatusError)) logger.error({ err: error }, 'a machine could not join')
        const status =
          error instanceof StatusError ? error : new StatusError('ServiceUnavailable', (error as Error).message)
        return answer(status.code, 'application/json', JSON.stringify(status.toStatus()))
      }
    },
  }
}

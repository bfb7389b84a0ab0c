import type { PullSecret } from '../runtime.ts'
import type { ImageReference } from './image-reference.ts'

/** What Docker's `X-Registry-Auth` takes. */
export interface RegistryCredentials {
  readonly username?: string
  readonly password?: string
  readonly identitytoken?: string
  readonly registrytoken?: string
  readonly serveraddress: string
}

interface Entry {
  readonly username?: unknown
  readonly password?: unknown
  readonly auth?: unknown
  readonly identitytoken?: unknown
  readonly registrytoken?: unknown
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function decode(entry: Entry, serveraddress: string): RegistryCredentials | undefined {
  const identitytoken = text(entry.identitytoken)
  const registrytoken = text(entry.registrytoken)
  if (identitytoken !== undefined) return { identitytoken, serveraddress }
  if (registrytoken !== undefined) return { registrytoken, serveraddress }
  const auth = text(entry.auth)
  const pair = auth === undefined ? '' : Buffer.from(auth, 'base64').toString()
  const colon = pair.indexOf(':')
  // `auth` wins over the two fields, as in Docker's own file.
  const username = colon < 0 ? text(entry.username) : pair.slice(0, colon)
  const password = colon < 0 ? text(entry.password) : pair.slice(colon + 1)
  return username === undefined ? undefined : { username, password: password ?? '', serveraddress }
}

/** `https://index.docker.io/v1/` → host `docker.io`, path ``. */
function keyParts(key: string): { readonly host: string; readonly path: string } {
  const plain = key.replace(/^https?:\/\//, '').replace(/^([^/]+)\/v[12]\/?$/, '$1')
  const slash = plain.indexOf('/')
  const host = slash < 0 ? plain : plain.slice(0, slash)
  const isHub = ['docker.io', 'index.docker.io', 'registry-1.docker.io'].includes(host)
  return { host: isHub ? 'docker.io' : host, path: slash < 0 ? '' : plain.slice(slash + 1).replace(/\/$/, '') }
}

/** A `*` stands for one whole or part of a label of the host's name; ports have to be the same. */
function hostMatches(pattern: string, host: string): boolean {
  if (pattern === host) return true
  const [patternName = '', patternPort] = pattern.split(':')
  const [name = '', port] = host.split(':')
  if (patternPort !== port) return false
  const [wanted, found] = [patternName.split('.'), name.split('.')]
  return (
    wanted.length === found.length &&
    wanted.every((label, i) => {
      const parts = label.split('*').map((part) => part.replace(/[^a-zA-Z0-9-]/g, '\\$&'))
      return new RegExp(`^${parts.join('[^.]*')}$`).test(found[i]!)
    })
  )
}

function entriesOf({ type, content }: PullSecret): Readonly<Record<string, Entry>> {
  try {
    const parsed = JSON.parse(content)
    const entries = type === 'kubernetes.io/dockercfg' ? parsed : parsed?.auths
    return typeof entries === 'object' && entries !== null ? entries : {}
  } catch {
    return {}
  }
}

/**
 * The credentials among a pod's pull secrets that fit an image, the most specific path first, in the order they are to
 * be tried. A key may name a host, a host with `*`, and the beginning of a repository.
 */
export function pullCredentials(
  { registry, repository }: ImageReference,
  secrets: readonly PullSecret[],
): readonly RegistryCredentials[] {
  const found: { readonly path: string; readonly credentials: RegistryCredentials }[] = []
  for (const secret of secrets)
    for (const [key, entry] of Object.entries(entriesOf(secret))) {
      const { host, path } = keyParts(key)
      const fits = path === '' || repository === path || repository.startsWith(`${path}/`)
      const credentials = typeof entry === 'object' && entry !== null ? decode(entry, registry) : undefined
      if (fits && hostMatches(host, registry) && credentials !== undefined) found.push({ path, credentials })
    }
  return found.sort((a, b) => b.path.length - a.path.length).map(({ credentials }) => credentials)
}

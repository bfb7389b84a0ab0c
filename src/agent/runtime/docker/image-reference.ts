/** An image's name taken apart. */
export interface ImageReference {
  /** `docker.io` when the name gives none. */
  readonly registry: string
  /** `library/nginx` for `nginx`. */
  readonly repository: string
  /** `latest` when the name gives neither tag nor digest. */
  readonly tag: string | undefined
  readonly digest: string | undefined
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^\w[\w.-]{0,127}$/
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/i
const REGISTRY = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d+)?$/

/** Reads a name by the rules that all registries share; undefined for what is none. */
export function parseImage(text: string): ImageReference | undefined {
  const [name = '', digest, ...more] = text.split('@')
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  // A first part with a dot or a port, or localhost, is a host; anything else is the beginning of the repository.
  const isHost = first.includes('.') || first.includes(':') || first === 'localhost' || first !== first.toLowerCase()
  const rest = isHost ? name.slice(slash + 1) : name
  const colon = rest.indexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  if (isHost && !REGISTRY.test(first)) return undefined
  if (tag !== undefined && !TAG.test(tag)) return undefined
  if (path.length > 255 || !path.split('/').every((component) => COMPONENT.test(component))) return undefined
  const registry = !isHost || first === 'index.docker.io' ? 'docker.io' : first
  return {
    registry,
    repository: registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    digest,
  }
}

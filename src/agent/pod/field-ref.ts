import { parseQuantity } from '../../api/quantity.ts'
import type { Container, Pod, ResourceFieldSelector } from '../../api/types/core-v1.gen.ts'
import { goQuote } from './go-quote.ts'

export interface PodAddressing {
  readonly podIp: string
  readonly hostIp: string
}

const SUBSCRIPT = /^metadata\.(labels|annotations)\['(.+)'\]$/

/** The text of a `fieldRef`; undefined for a path that pods do not offer. */
export function podField(pod: Pod, path: string, addressing: PodAddressing): string | undefined {
  const { metadata = {}, spec } = pod
  const subscript = SUBSCRIPT.exec(path)
  if (subscript !== null) {
    const values = subscript[1] === 'labels' ? metadata.labels : metadata.annotations
    return values !== undefined && Object.hasOwn(values, subscript[2]!) ? values[subscript[2]!] : ''
  }
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? ''
    case 'metadata.namespace':
      return metadata.namespace ?? ''
    case 'metadata.uid':
      return metadata.uid ?? ''
    case 'metadata.labels':
      return formatMap(metadata.labels ?? {})
    case 'metadata.annotations':
      return formatMap(metadata.annotations ?? {})
    case 'spec.nodeName':
      return spec?.nodeName ?? ''
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? ''
    case 'status.hostIP':
    case 'status.hostIPs':
      return addressing.hostIp
    case 'status.podIP':
    case 'status.podIPs':
      return addressing.podIp
    default:
      return undefined
  }
}

/** Labels or annotations as the downward API writes them to a file: `key="value"`, sorted, one a line. */
function formatMap(values: Readonly<Record<string, string>>): string {
  return Object.keys(values)
    .sort()
    .map((key) => `${key}=${goQuote(values[key]!)}`)
    .join('\n')
}

/**
 * The number behind a `resourceFieldRef` (`limits.cpu`, `requests.memory`, …), divided and rounded up. A limit that is
 * not set is the node's allocatable amount; undefined for a resource that containers do not offer.
 */
export function resourceField(
  container: Container,
  selector: ResourceFieldSelector,
  allocatable: Readonly<Record<string, string>>,
): string | undefined {
  const [kind, name] = splitResource(selector.resource)
  if (name === undefined || (kind !== 'limits' && kind !== 'requests')) return undefined
  const { limits = {}, requests = {} } = container.resources ?? {}
  const text = kind === 'limits' ? (limits[name] ?? allocatable[name]) : (requests[name] ?? limits[name] ?? '0')
  if (text === undefined) return undefined
  const divisor = selector.divisor === undefined || selector.divisor === '0' ? '1' : selector.divisor
  const by = parseQuantity(divisor).nano
  return String((parseQuantity(text).nano + by - 1n) / by)
}

function splitResource(resource: string): readonly [string, string | undefined] {
  const dot = resource.indexOf('.')
  return dot < 0 ? [resource, undefined] : [resource.slice(0, dot), resource.slice(dot + 1)]
}

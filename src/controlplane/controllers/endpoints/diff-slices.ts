import type { Endpoint, EndpointPort, EndpointSlice } from '../../../api/types/discovery-v1.gen.ts'
import { sameValue } from '../same-value.ts'

export const SLICE_ENDPOINTS_MAX = 100

/** Endpoints of one address type that share their ports. */
export interface EndpointGroup {
  readonly addressType: string
  readonly ports: readonly EndpointPort[]
  readonly endpoints: readonly Endpoint[]
}

export type SliceAction =
  | { readonly kind: 'createSlice'; readonly slice: EndpointSlice; readonly why: string }
  | { readonly kind: 'updateSlice'; readonly slice: EndpointSlice; readonly why: string }
  | { readonly kind: 'deleteSlice'; readonly slice: EndpointSlice; readonly why: string }

export interface SliceTemplate {
  readonly generateName: string
  readonly namespace: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly ownerReferences: NonNullable<EndpointSlice['metadata']>['ownerReferences']
  /** Written into the annotations of slices that are written anyway. */
  readonly annotations: Readonly<Record<string, string>>
}

function text(value: string | undefined): string {
  return value ?? ''
}

function portKey(ports: readonly EndpointPort[]): string {
  return ports
    .map(({ name, protocol, port, appProtocol }) => [text(name), protocol ?? 'TCP', port, text(appProtocol)].join('/'))
    .sort()
    .join(',')
}

/** Ports are compared without regard to their order. */
export function groupKey(group: Pick<EndpointGroup, 'addressType' | 'ports'>): string {
  return `${group.addressType}|${portKey(group.ports)}`
}

function endpointKey({ addresses, targetRef, hostname }: Endpoint): string {
  return [
    addresses.join('+'),
    text(targetRef?.namespace),
    text(targetRef?.name),
    text(targetRef?.uid),
    text(hostname),
  ].join('|')
}

interface Working {
  readonly before: EndpointSlice | undefined
  endpoints: Endpoint[]
  changed: boolean
  readonly group: EndpointGroup
}

function byFullness(a: Working, b: Working): number {
  const order = b.endpoints.length - a.endpoints.length
  return order !== 0 ? order : text(a.before?.metadata?.name) < text(b.before?.metadata?.name) ? -1 : 1
}

/** The fullest slice that still takes `count` more. */
function slicesWithRoom(slices: readonly Working[], count: number): Working | undefined {
  return [...slices].filter((slice) => slice.endpoints.length + count <= SLICE_ENDPOINTS_MAX).sort(byFullness)[0]
}

/**
 * Spreads a group's endpoints over slices while writing as few as possible: every endpoint stays where it is; new ones
 * fill slices that are written anyway, then one with room for all of them, and only then new slices (KEP-752).
 */
function placeGroup(group: EndpointGroup, existing: readonly EndpointSlice[]): readonly Working[] {
  const wanted = new Map(group.endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]))
  const slices = existing.map((before): Working => {
    const endpoints: Endpoint[] = []
    let changed = false
    for (const endpoint of before.endpoints ?? []) {
      const key = endpointKey(endpoint)
      const next = wanted.get(key)
      if (next === undefined) changed = true
      else {
        wanted.delete(key)
        endpoints.push(next)
        changed = changed || !sameValue(endpoint, next)
      }
    }
    return { before, endpoints, changed, group }
  })
  const rest = [...wanted].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
  const dirty = slices.filter(({ changed, endpoints }) => changed && endpoints.length > 0).sort(byFullness)
  for (const slice of dirty) slice.endpoints.push(...rest.splice(0, SLICE_ENDPOINTS_MAX - slice.endpoints.length))
  while (rest.length > 0) {
    const fits =
      rest.length < SLICE_ENDPOINTS_MAX
        ? slicesWithRoom(
            slices.filter(({ endpoints }) => endpoints.length > 0),
            rest.length,
          )
        : undefined
    const target = fits ?? { before: undefined, endpoints: [], changed: true, group }
    if (fits === undefined) slices.push(target)
    target.endpoints.push(...rest.splice(0, SLICE_ENDPOINTS_MAX - target.endpoints.length))
    target.changed = true
  }
  return slices
}

function sliceOf(working: Working, template: SliceTemplate, reused: EndpointSlice | undefined): EndpointSlice {
  const before = working.before ?? reused
  const { labels, namespace, generateName, ownerReferences, annotations } = template
  const metadata = {
    ...(before?.metadata ?? { namespace, generateName }),
    labels,
    ownerReferences,
    annotations: { ...before?.metadata?.annotations, ...annotations },
  }
  return {
    ...before,
    metadata,
    addressType: working.group.addressType,
    ports: working.group.ports,
    endpoints: working.endpoints,
  }
}

/**
 * Which slices to create, update and delete so that exactly these groups of endpoints exist. A slice that would be
 * deleted is reused for one that would be created. Every address type keeps at least one slice, if need be an empty one.
 */
export function diffSlices(
  groups: readonly EndpointGroup[],
  addressTypes: readonly string[],
  existing: readonly EndpointSlice[],
  template: SliceTemplate,
): readonly SliceAction[] {
  const live = existing.filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
  const sorted = [...live].sort((a, b) => (text(a.metadata?.name) < text(b.metadata?.name) ? -1 : 1))
  const byKey = Map.groupBy(sorted, (slice) => groupKey({ addressType: slice.addressType, ports: slice.ports ?? [] }))
  const slices: Working[] = []
  const known = new Set<string>()
  for (const group of [...groups].sort((a, b) => (groupKey(a) < groupKey(b) ? -1 : 1))) {
    known.add(groupKey(group))
    slices.push(...placeGroup(group, byKey.get(groupKey(group)) ?? []))
  }
  const gone = sorted.filter(
    (slice) => !known.has(groupKey({ addressType: slice.addressType, ports: slice.ports ?? [] })),
  )
  for (const addressType of addressTypes) {
    if (slices.some(({ group, endpoints }) => group.addressType === addressType && endpoints.length > 0)) continue
    const group = { addressType, ports: [], endpoints: [] }
    const placeholder = gone.find((slice) => slice.addressType === addressType && sameValue(slice.ports ?? [], []))
    if (placeholder !== undefined) gone.splice(gone.indexOf(placeholder), 1)
    const changed = placeholder === undefined || (placeholder.endpoints ?? []).length > 0
    slices.push({ before: placeholder, endpoints: [], changed, group })
  }
  const isPlaceholder = ({ group }: Working): boolean => group.endpoints.length === 0
  const kept = slices.filter((slice) => slice.endpoints.length > 0 || isPlaceholder(slice))
  for (const slice of slices) if (!kept.includes(slice) && slice.before !== undefined) gone.push(slice.before)
  const actions: SliceAction[] = []
  for (const working of kept) {
    const { before } = working
    const reused =
      before === undefined ? gone.findIndex(({ addressType }) => addressType === working.group.addressType) : -1
    const [recycled] = reused < 0 ? [] : gone.splice(reused, 1)
    const slice = sliceOf(working, template, recycled)
    if (before === undefined && recycled === undefined) {
      actions.push({ kind: 'createSlice', slice, why: 'its endpoints fit no existing slice' })
    } else if (recycled !== undefined || working.changed) {
      actions.push({ kind: 'updateSlice', slice, why: 'its endpoints changed' })
    } else if (!sameValue(before?.metadata?.labels, template.labels)) {
      actions.push({ kind: 'updateSlice', slice, why: 'its labels changed' })
    } else if (!sameValue(before?.metadata?.ownerReferences, template.ownerReferences)) {
      // Of a Service that was deleted and made anew: else the garbage collector takes it with the old one.
      actions.push({ kind: 'updateSlice', slice, why: 'it belongs to a new Service of that name' })
    }
  }
  for (const slice of gone) actions.push({ kind: 'deleteSlice', slice, why: 'none of its endpoints is left' })
  return actions
}

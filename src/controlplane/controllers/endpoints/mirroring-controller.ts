import { objectKey, splitKey } from '../../../api/object.ts'
import { ENDPOINT_SLICES, ENDPOINTS, SERVICES } from '../../../api/resource-type.ts'
import type { EndpointSubset, Endpoints } from '../../../api/types/core-v1.gen.ts'
import type { Endpoint, EndpointSlice } from '../../../api/types/discovery-v1.gen.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { OwnWrites } from '../own-writes.ts'
import { controllerReference } from '../owner-references.ts'
import { applySlices } from './apply-slices.ts'
import { diffSlices, type EndpointGroup, groupKey, type SliceAction } from './diff-slices.ts'
import { MANAGED_BY_LABEL, SERVICE_NAME_LABEL, sliceLabels } from './plan-endpoint-slices.ts'
import { hasSelector } from './service-pods.ts'

const MIRRORING_CONTROLLER = 'endpointslicemirroring-controller.k8s.io'
const SKIP_MIRROR = 'endpointslice.kubernetes.io/skip-mirror'
const LEADER = 'control-plane.alpha.kubernetes.io/leader'
const SUBSET_MAX = 1_000
const BY_SERVICE = 'controllers/mirrored-by-service'

function endpointsOf(subset: EndpointSubset, addressType: string): readonly Endpoint[] {
  const of = (ready: boolean): readonly Endpoint[] =>
    ((ready ? subset.addresses : subset.notReadyAddresses) ?? [])
      .filter(({ ip }) => ip.includes(':') === (addressType === 'IPv6'))
      .map(({ ip, hostname, nodeName, targetRef }) => ({
        addresses: [ip],
        conditions: { ready },
        ...(hostname === undefined ? {} : { hostname }),
        ...(nodeName === undefined ? {} : { nodeName }),
        ...(targetRef === undefined ? {} : { targetRef }),
      }))
  return [...of(true), ...of(false)].slice(0, SUBSET_MAX)
}

/** The slices that show an Endpoints object which a person or a program keeps by hand. */
export function planMirroredSlices(
  endpoints: Endpoints,
  existing: readonly EndpointSlice[],
): { readonly actions: readonly SliceAction[] } {
  const groups = new Map<string, EndpointGroup & { readonly endpoints: Endpoint[] }>()
  for (const subset of endpoints.subsets ?? []) {
    for (const addressType of ['IPv4', 'IPv6']) {
      const found = endpointsOf(subset, addressType)
      if (found.length === 0) continue
      const ports = (subset.ports ?? []).map(({ name = '', ...port }) => ({ name, ...port }))
      const key = groupKey({ addressType, ports })
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] }
      groups.set(key, group)
      group.endpoints.push(...found)
    }
  }
  const { name = '', namespace, labels } = endpoints.metadata ?? {}
  const actions = diffSlices([...groups.values()], [], existing, {
    generateName: `${name}-`,
    namespace,
    labels: sliceLabels(labels, name, MIRRORING_CONTROLLER, false),
    ownerReferences: [controllerReference(ENDPOINTS, endpoints)],
    annotations: {},
  })
  return { actions }
}

function isMirrored({ metadata }: Endpoints): boolean {
  return metadata?.labels?.[SKIP_MIRROR] !== 'true' && metadata?.annotations?.[LEADER] === undefined
}

function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const service = metadata?.labels?.[SERVICE_NAME_LABEL]
  const ours = metadata?.labels?.[MANAGED_BY_LABEL] === MIRRORING_CONTROLLER
  return service === undefined || !ours ? undefined : `${metadata?.namespace}/${service}`
}

/** Mirrors the Endpoints of Services without a selector into slices, which is all that proxies read. */
export function startEndpointSliceMirroringController(context: ControllerContext): RunningController {
  const services = context.informers.for(SERVICES)
  const endpoints = context.informers.for(ENDPOINTS)
  const slices = context.informers.for(ENDPOINT_SLICES, {
    indexes: {
      [BY_SERVICE]: (slice) => {
        const key = serviceKeyOf(slice)
        return key === undefined ? [] : [key]
      },
    },
  })
  const written = new OwnWrites(slices)

  const reconcile = async (key: string): Promise<undefined> => {
    const { namespace, name } = splitKey(key)
    const source = endpoints.get(namespace, name)
    const service = services.get(namespace, name)
    // Slices of Endpoints that are gone go with them, by their owner reference.
    if (source === undefined) return undefined
    const existing = written.overlay(slices.byIndex(BY_SERVICE, key), (slice) => serviceKeyOf(slice) === key)
    const mirrored = isMirrored(source) && service !== undefined && !hasSelector(service)
    const { actions } = planMirroredSlices(mirrored ? source : { ...source, subsets: [] }, existing)
    await applySlices(context.client, written, actions)
    return undefined
  }

  return runController({
    name: 'endpointslicemirroring',
    context,
    informers: [services, endpoints, slices],
    workers: 2,
    reconcile,
    subscribe: (queue) => [
      endpoints.onChange((change) => queue.add(objectKey(change.object))),
      services.onChange((change) => queue.add(objectKey(change.object))),
      slices.onChange(({ object }) => {
        const key = serviceKeyOf(object)
        if (key !== undefined) queue.add(key)
      }),
    ],
  })
}

import { objectKey, splitKey } from '../../../api/object.ts'
import { ENDPOINT_SLICES, NODES, PODS, SERVICES } from '../../../api/resource-type.ts'
import type { Node, Pod, Service } from '../../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../../api/types/discovery-v1.gen.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { OwnWrites } from '../own-writes.ts'
import { typed } from '../owner-references.ts'
import { applySlices } from './apply-slices.ts'
import { followPods } from './follow-pods.ts'
import {
  ENDPOINT_SLICE_CONTROLLER,
  MANAGED_BY_LABEL,
  planEndpointSlices,
  SERVICE_NAME_LABEL,
} from './plan-endpoint-slices.ts'
import { hasSelector, selects } from './service-pods.ts'

const ZONE_LABEL = 'topology.kubernetes.io/zone'
const BY_SERVICE = 'controllers/slices-by-service'
const ON_NODE = 'controllers/pods-on-node'

function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const service = metadata?.labels?.[SERVICE_NAME_LABEL]
  const ours = metadata?.labels?.[MANAGED_BY_LABEL] === ENDPOINT_SLICE_CONTROLLER
  return service === undefined || !ours ? undefined : `${metadata?.namespace}/${service}`
}

function zoneOf(node: Node): string | undefined {
  return node.metadata?.labels?.[ZONE_LABEL] || undefined
}

/** Keeps the EndpointSlices of every Service with a selector equal to its pods; one change is written at once. */
export function startEndpointSliceController(context: ControllerContext): RunningController {
  const { client } = context
  const events = context.events('endpoint-slice-controller')
  const services = context.informers.for(SERVICES)
  const nodes = context.informers.for(NODES)
  const pods = context.informers.for(PODS, {
    indexes: { [ON_NODE]: ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []) },
  })
  const slices = context.informers.for(ENDPOINT_SLICES, {
    indexes: {
      [BY_SERVICE]: (slice) => {
        const key = serviceKeyOf(slice)
        return key === undefined ? [] : [key]
      },
    },
  })
  const written = new OwnWrites(slices)

  /** The zones of the nodes these pods are on, as far as there are such nodes. */
  const zonesOf = (selected: readonly Pod[]): ReadonlyMap<string, string | undefined> => {
    const zones = new Map<string, string | undefined>()
    for (const { spec } of selected) {
      const node = spec?.nodeName ? nodes.get(undefined, spec.nodeName) : undefined
      if (node !== undefined) zones.set(node.metadata?.name ?? '', zoneOf(node))
    }
    return zones
  }

  const reconcile = async (key: string): Promise<undefined> => {
    const { namespace, name } = splitKey(key)
    const service = services.get(namespace, name)
    // The garbage collector takes the slices of a Service that is gone.
    if (service === undefined || service.spec?.type === 'ExternalName' || !hasSelector(service)) return undefined
    if (service.metadata?.deletionTimestamp !== undefined) return undefined
    const selected = pods.list(namespace).filter((pod) => selects(service, pod))
    const plan = planEndpointSlices(service, {
      pods: selected,
      slices: written.overlay(slices.byIndex(BY_SERVICE, key), (slice) => serviceKeyOf(slice) === key),
      zones: zonesOf(selected),
    })
    try {
      await applySlices(client, written, plan.actions)
    } catch (error) {
      if (error instanceof Error) {
        const message = `Error updating Endpoint Slices for Service ${key}: ${error.message}`
        events.event(typed(SERVICES, service), 'Warning', 'FailedToUpdateEndpointSlices', message)
      }
      throw error
    }
    return undefined
  }

  return runController({
    name: 'endpointslice',
    context,
    informers: [services, pods, nodes, slices],
    workers: 8,
    reconcile,
    subscribe(queue) {
      const wakeService = (service: Service): void => queue.add(objectKey(service))
      const wakeOnNode = (node: Node): void => {
        for (const pod of pods.byIndex(ON_NODE, node.metadata?.name ?? '')) {
          for (const service of services.list(pod.metadata?.namespace)) if (selects(service, pod)) wakeService(service)
        }
      }
      return [
        services.onChange((change) => wakeService(change.object)),
        followPods(pods, services, wakeService),
        slices.onChange(({ object }) => {
          const key = serviceKeyOf(object)
          if (key !== undefined) queue.add(key)
        }),
        nodes.onChange((change) => {
          if (change.type === 'modified' && zoneOf(change.previous) === zoneOf(change.object)) return
          wakeOnNode(change.object)
        }),
      ]
    },
  })
}

import { objectKey, splitKey } from '../../../api/object.ts'
import { ENDPOINTS, PODS, SERVICES } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { OwnWrites } from '../own-writes.ts'
import { typed } from '../owner-references.ts'
import { followPods } from './follow-pods.ts'
import { ENDPOINTS_CONTROLLER, MANAGED_BY, planEndpoints } from './plan-endpoints.ts'
import { hasSelector, selects } from './service-pods.ts'

/** Keeps the Endpoints object of every Service with a selector equal to its pods, and removes it with the Service. */
export function startEndpointsController(context: ControllerContext): RunningController {
  const { client } = context
  const events = context.events('endpoint-controller')
  const services = context.informers.for(SERVICES)
  const pods = context.informers.for(PODS)
  const endpoints = context.informers.for(ENDPOINTS)
  const written = new OwnWrites(endpoints)

  /** Services that were deleted. Endpoints that are there before their Service are somebody's who has yet to make it. */
  const gone = new Set<string>()

  const removeOf = async (namespace: string | undefined, name: string): Promise<undefined> => {
    const left = written.get(namespace, name)
    const key = `${namespace}/${name}`
    const ours = left?.metadata?.labels?.[MANAGED_BY] === ENDPOINTS_CONTROLLER
    if (left === undefined || !(gone.has(key) || ours)) {
      gone.delete(key)
      return
    }
    try {
      // The cache alone is no proof that the Service is gone.
      await client.get(SERVICES, { namespace, name })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      await client.delete(ENDPOINTS, { namespace, name }).catch((failure: unknown) => {
        if (!isReason(failure, 'NotFound')) throw failure
      })
    }
    gone.delete(key)
  }

  const reconcile = async (key: string): Promise<undefined> => {
    const { namespace, name } = splitKey(key)
    const service = services.get(namespace, name)
    if (service === undefined) return removeOf(namespace, name)
    if (service.spec?.type === 'ExternalName' || !hasSelector(service)) return undefined
    if (service.metadata?.deletionTimestamp !== undefined) return undefined
    const selected = pods.list(namespace).filter((pod) => selects(service, pod))
    const existing = written.get(namespace, name)
    for (const action of planEndpoints(service, selected, existing).actions) {
      try {
        const create = action.kind === 'createEndpoints'
        written.record(
          await (create ? client.create(ENDPOINTS, action.endpoints) : client.update(ENDPOINTS, action.endpoints)),
        )
      } catch (error) {
        if (!isReason(error, 'Conflict') && !isReason(error, 'Forbidden') && error instanceof Error) {
          const [reason, verb] =
            action.kind === 'createEndpoints'
              ? ['FailedToCreateEndpoint', 'create']
              : ['FailedToUpdateEndpoint', 'update']
          const message = `Failed to ${verb} endpoint ${key}: ${error.message}`
          events.event(typed(SERVICES, service), 'Warning', reason, message)
        }
        throw error
      }
    }
    return undefined
  }

  return runController({
    name: 'endpoints',
    context,
    informers: [services, pods, endpoints],
    workers: 8,
    reconcile,
    subscribe: (queue) => [
      services.onChange(({ type, object }) => {
        const key = objectKey(object)
        if (type === 'deleted') gone.add(key)
        else gone.delete(key)
        queue.add(key)
      }),
      followPods(pods, services, (service) => queue.add(objectKey(service))),
      endpoints.onChange((change) => queue.add(objectKey(change.object))),
    ],
  })
}

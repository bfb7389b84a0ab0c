import { NAMESPACES, SERVICE_ACCOUNTS } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { Namespace } from '../../../api/types/core-v1.gen.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { isNamespaceTerminating } from '../namespace-terminating.ts'

/** True for a namespace that still takes new objects. */
export function isActive(namespace: Namespace | undefined): boolean {
  return namespace !== undefined && namespace.metadata?.deletionTimestamp === undefined
}

/** Swallows what a namespace answers that has gone, or is going, in the meantime. */
export function unlessLeaving(error: unknown): void {
  if (!isReason(error, 'NotFound') && !isReason(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error
}

/** Gives every namespace its ServiceAccount `default`, again when it is deleted. */
export function startServiceAccountController(context: ControllerContext): RunningController {
  const namespaces = context.informers.for(NAMESPACES)
  const accounts = context.informers.for(SERVICE_ACCOUNTS)
  const reconcile = async (namespace: string): Promise<undefined> => {
    if (!isActive(namespaces.get(undefined, namespace)) || accounts.get(namespace, 'default') !== undefined) return
    await context.client
      .create(SERVICE_ACCOUNTS, { metadata: { namespace, name: 'default' } })
      .catch((error: unknown) => unlessLeaving(error))
  }
  return runController({
    name: 'serviceaccount',
    context,
    informers: [namespaces, accounts],
    workers: 2,
    reconcile,
    subscribe: (queue) => [
      namespaces.onChange((change) => queue.add(change.object.metadata?.name ?? '')),
      accounts.onChange(({ type, object }) => {
        if (type === 'deleted' && object.metadata?.name === 'default') queue.add(object.metadata.namespace ?? '')
      }),
    ],
  })
}

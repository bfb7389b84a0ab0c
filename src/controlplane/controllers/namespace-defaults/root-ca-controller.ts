import { CONFIG_MAPS, NAMESPACES } from '../../../api/resource-type.ts'
import type { ConfigMap } from '../../../api/types/core-v1.gen.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { sameValue } from '../same-value.ts'
import { isActive, unlessLeaving } from './service-account-controller.ts'

const NAME = 'kube-root-ca.crt'
const DESCRIPTION = 'The certificate authority by which a client inside the cluster verifies the API server.'

/** Puts the cluster's CA certificate into every namespace, and restores it when somebody changes or deletes it. */
export function startRootCaController(context: ControllerContext, rootCaPem: string): RunningController {
  const { client } = context
  const namespaces = context.informers.for(NAMESPACES)
  const configMaps = context.informers.for(CONFIG_MAPS)
  const reconcile = async (namespace: string): Promise<undefined> => {
    if (!isActive(namespaces.get(undefined, namespace))) return
    const existing = configMaps.get(namespace, NAME)
    const data = { 'ca.crt': rootCaPem }
    if (existing !== undefined && sameValue(existing.data, data)) return
    const wanted: ConfigMap = {
      ...existing,
      metadata: {
        ...(existing?.metadata ?? { namespace, name: NAME }),
        annotations: { ...existing?.metadata?.annotations, 'kubernetes.io/description': DESCRIPTION },
      },
      data,
    }
    const write = existing === undefined ? client.create(CONFIG_MAPS, wanted) : client.update(CONFIG_MAPS, wanted)
    await write.catch((error: unknown) => unlessLeaving(error))
  }
  return runController({
    name: 'root-ca',
    context,
    informers: [namespaces, configMaps],
    workers: 2,
    reconcile,
    subscribe: (queue) => [
      namespaces.onChange((change) => queue.add(change.object.metadata?.name ?? '')),
      configMaps.onChange(({ object }) => {
        if (object.metadata?.name === NAME) queue.add(object.metadata.namespace ?? '')
      }),
    ],
  })
}

import type { Pod, Service } from '../../../api/types/core-v1.gen.ts'
import type { Informer } from '../../../client/informer.ts'
import { endpointsDiffer, selects } from './service-pods.ts'

/** Calls `wake` for each Service whose endpoints a pod's change may alter; returns the way to stop. */
export function followPods(
  pods: Informer<Pod>,
  services: Informer<Service>,
  wake: (service: Service) => void,
): () => void {
  return pods.onChange((change) => {
    const { object: pod } = change
    if (change.type === 'modified' && !endpointsDiffer(change.previous, pod)) return
    for (const service of services.list(pod.metadata?.namespace)) {
      if (selects(service, pod) || (change.type === 'modified' && selects(service, change.previous))) wake(service)
    }
  })
}

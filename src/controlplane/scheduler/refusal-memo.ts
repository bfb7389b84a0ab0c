import type { PodInfo } from './cluster/pod-info.ts'

const REMEMBERED_MAX = 128

/** Why a pod was refused, with nothing to be done about it. */
export interface KnownRefusal {
  readonly pod: PodInfo
  readonly refusedBy: readonly string[]
  readonly message: string
}

/** All that filters and preemption ask of a pod: pods of equal text are refused alike. */
function signatureOf(info: PodInfo): string {
  const { namespace, labels, priority, requests, hostPorts, tolerations, pod } = info
  const { nodeName, nodeSelector, affinity, topologySpreadConstraints, preemptionPolicy } = pod.spec ?? {}
  const asked = [nodeName, nodeSelector, affinity, topologySpreadConstraints, preemptionPolicy]
  return JSON.stringify([namespace, labels, priority, requests, hostPorts, tolerations, asked])
}

/**
 * Remembers refusals for as long as a pod that waits because of them would not be woken. Of ten thousand replicas for
 * which there is no room, one is looked at.
 */
export class RefusalMemo {
  readonly #known = new Map<string, KnownRefusal>()

  get(pod: PodInfo): KnownRefusal | undefined {
    return this.#known.size === 0 ? undefined : this.#known.get(signatureOf(pod))
  }

  set(refusal: KnownRefusal): void {
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear()
    this.#known.set(signatureOf(refusal.pod), refusal)
  }

  forgetRefusedBy(filter: string, helps: (pod: PodInfo) => boolean): void {
    for (const [signature, { pod, refusedBy }] of this.#known) {
      if (refusedBy.includes(filter) && helps(pod)) this.#known.delete(signature)
    }
  }

  clear(): void {
    this.#known.clear()
  }
}

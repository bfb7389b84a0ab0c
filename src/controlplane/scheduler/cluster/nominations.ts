import type { PodInfo } from './pod-info.ts'

/** Pods that wait for a node on which room is being made for them, and which node. */
export class Nominations {
  readonly #byPod = new Map<string, { readonly pod: PodInfo; readonly node: string }>()
  readonly #byNode = new Map<string, Map<string, PodInfo>>()

  set(pod: PodInfo, node: string): void {
    this.delete(pod.key)
    this.#byPod.set(pod.key, { pod, node })
    const pods = this.#byNode.get(node)
    if (pods === undefined) this.#byNode.set(node, new Map([[pod.key, pod]]))
    else pods.set(pod.key, pod)
  }

  delete(key: string): void {
    const node = this.#byPod.get(key)?.node
    if (node === undefined) return
    this.#byPod.delete(key)
    const pods = this.#byNode.get(node)
    pods?.delete(key)
    if (pods?.size === 0) this.#byNode.delete(node)
  }

  /** The name of the node that is meant for a pod. */
  nodeOf(key: string): string | undefined {
    return this.#byPod.get(key)?.node
  }

  on(node: string): readonly PodInfo[] {
    const pods = this.#byNode.get(node)
    return pods === undefined ? [] : [...pods.values()]
  }

  /** Those on the node that a pod has to leave room for: of its own priority or a higher one, and not itself. */
  before(pod: PodInfo, node: string): readonly PodInfo[] {
    if (this.#byNode.size === 0) return []
    return this.on(node).filter(({ key, priority }) => key !== pod.key && priority >= pod.priority)
  }
}

import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Informer } from '../../client/informer.ts'
import type { SandboxState } from '../runtime/runtime.ts'
import { PodWorker } from './pod-worker.ts'
import type { WorkerContext } from './worker-context.ts'

/** What pods without an object may take to stop. */
const ORPHAN_GRACE_MS = 1_000

/** One worker for each pod bound to this node, from the informer's word; everything else on the node is ended. */
export class PodManager {
  readonly #context: WorkerContext
  readonly #pods: Informer<Pod>
  readonly #workers = new Map<string, PodWorker>()
  #stopListening: (() => void)[] = []
  #closed = false

  constructor(pods: Informer<Pod>, context: Omit<WorkerContext, 'onDone'>) {
    this.#pods = pods
    this.#context = { ...context, onDone: (pod) => this.#forget(pod) }
  }

  /**
   * Takes over what runs and follows the pods. Resolves once the first list has been taken over: until then nothing
   * is ended, since a pod that cannot be asked for may well exist.
   */
  async start(): Promise<void> {
    await this.#pods.synced
    if (this.#closed) return
    const found = new Map((await this.#context.runtime.list()).map((sandbox) => [sandbox.podUid, sandbox]))
    const isOwn = new Set(this.#pods.list().map((pod) => pod.metadata?.uid))
    // Every address in use is known before the first one is handed out.
    for (const sandbox of found.values()) if (!isOwn.has(sandbox.podUid)) this.#context.addresses.reserve(sandbox.ip)
    for (const pod of this.#pods.list()) this.#add(pod, found.get(pod.metadata?.uid ?? ''))
    for (const worker of this.#workers.values()) worker.wake()
    this.#stopListening = [
      this.#context.runtime.onChange((podUid) => this.#workers.get(podUid)?.wake()),
      this.#pods.onChange((change) => {
        if (change.type === 'deleted') this.#removed(change.object)
        else this.#present(change.object)
      }),
    ]
    for (const sandbox of found.values()) if (!isOwn.has(sandbox.podUid)) void this.#endOrphan(sandbox)
  }

  /** The worker of a pod by name; of several with one name the one whose object exists. */
  find(namespace: string, name: string): PodWorker | undefined {
    const uid = this.#pods.get(namespace, name)?.metadata?.uid
    return uid === undefined ? undefined : this.#workers.get(uid)
  }

  /** Stops following; containers keep running. */
  close(): void {
    this.#closed = true
    for (const stop of this.#stopListening) stop()
    for (const worker of this.#workers.values()) worker.close()
  }

  #present(pod: Pod): void {
    const worker = this.#workers.get(pod.metadata?.uid ?? '')
    if (worker === undefined) this.#add(pod, undefined).wake()
    else worker.update(pod)
  }

  #add(pod: Pod, observed: SandboxState | undefined): PodWorker {
    const worker = new PodWorker(pod, observed, this.#context)
    this.#workers.set(pod.metadata?.uid ?? '', worker)
    return worker
  }

  #removed(pod: Pod): void {
    const worker = this.#workers.get(pod.metadata?.uid ?? '')
    if (worker?.isFinished === true) this.#workers.delete(pod.metadata?.uid ?? '')
    else worker?.remove()
  }

  #forget(pod: Pod): void {
    const uid = pod.metadata?.uid ?? ''
    // While its object is still there the worker stays, or the object would begin the pod anew.
    if (this.#pods.get(pod.metadata?.namespace, pod.metadata?.name ?? '')?.metadata?.uid !== uid)
      this.#workers.delete(uid)
  }

  async #endOrphan(sandbox: SandboxState): Promise<void> {
    const { runtime, volumes, addresses, logger } = this.#context
    logger.info(
      { podUid: sandbox.podUid, pod: `${sandbox.podNamespace}/${sandbox.podName}` },
      'ending a pod that no longer exists',
    )
    try {
      await Promise.all(sandbox.containers.map(({ id }) => runtime.stopContainer(id, ORPHAN_GRACE_MS)))
      await volumes.cleanup(sandbox.podUid)
      await runtime.removeSandbox(sandbox.podUid)
      addresses.release(sandbox.ip)
    } catch (error) {
      logger.warn({ podUid: sandbox.podUid, err: error }, 'a pod that no longer exists could not be ended')
    }
  }
}

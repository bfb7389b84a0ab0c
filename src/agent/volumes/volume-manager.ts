import type { Pod } from '../../api/types/core-v1.gen.ts'

/**
 * The directories behind a pod's volumes, all beneath `<pod directory>/volumes/`. The pod worker calls these one at a
 * time for one pod, and for many pods at once. Everything is idempotent and survives a restart of the agent: what is
 * already there is found again, and an emptyDir keeps its content.
 */
export interface VolumeManager {
  /**
   * Makes every volume of the pod and resolves with the host path to mount for each volume's name (for all that
   * `spec.volumes` lists). Rejects with `VolumeError` while something is missing (a ConfigMap, a key, a hostPath); the
   * worker shows it as a FailedMount event and asks again with back-off.
   */
  prepare(pod: Pod, context: VolumeContext): Promise<ReadonlyMap<string, string>>
  /**
   * Brings configMap, secret, downwardAPI and projected volumes up to date in place, atomically. Called when the pod
   * changed; the manager itself follows the ConfigMaps and Secrets of the pods it has prepared.
   */
  refresh(pod: Pod, context: VolumeContext): Promise<void>
  /**
   * Why the pod has to be evicted for the space that its emptyDirs take, in the kubelet's words; undefined while they
   * keep their `sizeLimit`. Looks at every file of the volumes that have one. Never rejects.
   */
  overuse(pod: Pod, context: VolumeContext): Promise<string | undefined>
  /**
   * Where `subPath` (already expanded) of a volume stands, made as a directory when it is missing. Never leads out of
   * the volume: rejects with `VolumeError` when a component is `..` or a link that points outside.
   */
  subPath(volumePath: string, subPath: string): Promise<string>
  /** Forgets the pod and removes its volume directories without following links out of them. */
  cleanup(podUid: string): Promise<void>
  /** Stops following objects. Directories stay. */
  close(): Promise<void>
}

/** What a pod's volumes may show of it that is not in the object yet. */
export interface VolumeContext {
  /** Absolute directory of this pod; volumes live in its `volumes/`. */
  readonly podDirectory: string
  readonly podIp: string
  readonly hostIp: string
}

/** Why a volume cannot be used, worded for the FailedMount event: `MountVolume.SetUp failed for volume "x" : configmap "y" not found`. */
export class VolumeError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'VolumeError'
  }
}

import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import { removeTree } from '../files/remove-tree.ts'
import { isSafeName } from '../files/safe-name.ts'
import { machineCapacity } from '../node/machine.ts'
import { diskUsage } from './disk-usage.ts'
import { overLimitMessage, sizeLimits } from './empty-dir-limit.ts'
import { FollowedObjects } from './followed-objects.ts'
import { PodVolumes } from './pod-volumes.ts'
import { subPathIn } from './sub-path.ts'
import { VolumeError, type VolumeManager } from './volume-manager.ts'

export interface VolumeManagerOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  /** The node's directory; a pod's volumes are in `pods/<uid>/volumes/`. */
  readonly nodeDirectory: string
  /** Spreads the renewals of tokens. */
  readonly random?: () => number
  /** The node's, for limits that are not set; the machine's capacity when left out. */
  readonly allocatable?: Readonly<Record<string, string>>
}

/** Volumes of files and directories: configMap, secret, downwardAPI, projected, emptyDir and hostPath. */
export function createVolumeManager(options: VolumeManagerOptions): VolumeManager {
  const { client, clock, logger, nodeDirectory, random = Math.random } = options
  const pods = new Map<string, PodVolumes>()
  const followed = new FollowedObjects({
    client,
    clock,
    logger,
    onChange: (podUid, key, version) => pods.get(podUid)?.changed(key, version),
  })
  const allocatable = options.allocatable ?? machineCapacity(nodeDirectory)

  return {
    prepare(pod, context) {
      const uid = pod.metadata?.uid ?? ''
      let volumes = pods.get(uid)
      if (volumes === undefined) {
        volumes = new PodVolumes(pod, context, { client, clock, logger, random, followed, allocatable })
        pods.set(uid, volumes)
      }
      return volumes.prepare(pod, context)
    },
    async refresh(pod, context) {
      await pods.get(pod.metadata?.uid ?? '')?.refresh(pod, context)
    },
    async overuse(pod, { podDirectory }) {
      for (const [name, limit] of sizeLimits(pod)) {
        const used = await diskUsage(join(podDirectory, 'volumes', name))
        const message = used === undefined ? undefined : overLimitMessage(name, limit, used)
        if (message !== undefined) return message
      }
      return undefined
    },
    subPath: subPathIn,
    async cleanup(podUid) {
      if (!isSafeName(podUid)) throw new VolumeError(`not a uid: "${podUid}"`)
      const volumes = pods.get(podUid)
      pods.delete(podUid)
      await volumes?.close()
      await removeTree(join(nodeDirectory, 'pods', podUid, 'volumes'))
    },
    async close() {
      await Promise.all([...pods.values()].map((volumes) => volumes.close()))
      pods.clear()
      followed.close()
    },
  }
}

import { randomUUID } from 'node:crypto'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import { hasErrorCode } from '../files/open-directory.ts'
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

/** Beneath the node's directory: volumes of ended pods that this process may not remove. */
const LEFT_BEHIND = 'left-behind'

/**
 * Removes a pod's volumes. Containers of an engine may write as root where the agent is not: what only root can remove is
 * put aside, so that the pod can end, and told of.
 */
async function removeVolumes(path: string, leftBehind: string, logger: Logger): Promise<void> {
  try {
    await removeTree(path)
  } catch (error) {
    if (!hasErrorCode(error, 'EACCES', 'EPERM')) throw error
    await mkdir(leftBehind, { recursive: true, mode: 0o700 })
    const place = join(leftBehind, randomUUID())
    await rename(path, place)
    logger.warn({ path: place }, 'files of an ended pod belong to another user; remove them as root')
  }
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
      await removeVolumes(join(nodeDirectory, 'pods', podUid, 'volumes'), join(nodeDirectory, LEFT_BEHIND), logger)
    },
    async close() {
      await Promise.all([...pods.values()].map((volumes) => volumes.close()))
      pods.clear()
      followed.close()
    },
  }
}

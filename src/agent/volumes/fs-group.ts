import { chmod, chown } from 'node:fs/promises'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { VolumeFile, VolumeFiles } from './volume-file.ts'

/** Only root may give files away. */
const canGiveAway = process.getuid?.() === 0
/** A group that a pod's processes are in can read what is theirs, whatever the mode says of it. */
const GROUP_READS = 0o440
const GROUP_WRITES = 0o2770

/** The group that a pod's volumes are to belong to; undefined when it names none, or nothing can be given to it. */
export function fsGroupOf(pod: Pod): number | undefined {
  return canGiveAway ? pod.spec?.securityContext?.fsGroup : undefined
}

/** Files as the pod's group is to have them. */
export function filesOfGroup(files: VolumeFiles, group: number | undefined): VolumeFiles {
  if (group === undefined) return files
  const given = (file: VolumeFile): VolumeFile => ({ ...file, gid: group, mode: file.mode | GROUP_READS })
  return new Map(Array.from(files, ([path, file]) => [path, given(file)]))
}

/** Gives a new emptyDir to the pod's group; what is made in it belongs to that group, too. */
export async function giveToGroup(directory: string, mode: number, group: number): Promise<void> {
  await chown(directory, process.getuid!(), group)
  // After the owner, whose change clears the bit that passes the group on.
  await chmod(directory, mode | GROUP_WRITES)
}

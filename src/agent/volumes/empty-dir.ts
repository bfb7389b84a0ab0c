import { chmod, lstat, mkdir } from 'node:fs/promises'
import { hasErrorCode } from '../files/open-directory.ts'
import { giveToGroup } from './fs-group.ts'
import { VolumeError } from './volume-manager.ts'

/** Whoever a container runs as may write to its scratch space; the pod's directory keeps others away. */
const MODE = 0o777

async function open(directory: string, group: number | undefined): Promise<void> {
  if (group === undefined) await chmod(directory, MODE)
  else await giveToGroup(directory, MODE, group)
}

/** Makes an emptyDir, once: what is in it stays. `medium: Memory` is a directory like any other here. */
export async function makeEmptyDir(directory: string, group?: number): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 })
    await open(directory, group)
  } catch (error) {
    if (!hasErrorCode(error, 'EEXIST')) throw error
    const stat = await lstat(directory)
    if (!stat.isDirectory()) throw new VolumeError(`${directory} is not a directory`)
    // Made by an agent that did not live to open it.
    if ((stat.mode & 0o7777) === 0o700) await open(directory, group)
  }
}

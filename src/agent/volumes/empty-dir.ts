import { chmod, lstat, mkdir } from 'node:fs/promises'
import { hasErrorCode } from '../files/open-directory.ts'
import { VolumeError } from './volume-manager.ts'

/** Whoever a container runs as may write to its scratch space; the pod's directory keeps others away. */
const MODE = 0o777

/** Makes an emptyDir, once: what is in it stays. `medium: Memory` is a directory like any other here. */
export async function makeEmptyDir(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 })
    await chmod(directory, MODE)
  } catch (error) {
    if (!hasErrorCode(error, 'EEXIST')) throw error
    const stat = await lstat(directory)
    if (!stat.isDirectory()) throw new VolumeError(`${directory} is not a directory`)
    // Made by an agent that did not live to open it.
    if ((stat.mode & 0o7777) === 0o700) await chmod(directory, MODE)
  }
}

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openBeneath, PathError } from '../files/open-beneath.ts'
import { VolumeError } from './volume-manager.ts'

/**
 * Where `subPath` of a volume stands, made as a directory with the volume's own rights when it is missing. Throws
 * VolumeError for a path that is absolute, climbs, or meets a link that leads out. The name is given and not where
 * links inside the volume lead at this moment: a file of a ConfigMap stands elsewhere after the next change.
 */
export async function subPathIn(volumePath: string, subPath: string): Promise<string> {
  if (subPath.startsWith('/')) throw new VolumeError(`subPath "${subPath}" must be a relative path`)
  if (subPath.includes('\0')) throw new VolumeError('subPath must not contain a zero byte')
  if (subPath.split('/').includes('..')) throw new VolumeError(`subPath "${subPath}" must not contain '..'`)
  const { mode } = await stat(volumePath)
  try {
    await (await openBeneath(volumePath, subPath, mode & 0o777)).close()
  } catch (cause) {
    if (!(cause instanceof PathError)) throw cause
    throw new VolumeError(`failed to create subPath "${subPath}": ${cause.message}`, { cause })
  }
  return join(volumePath, subPath)
}

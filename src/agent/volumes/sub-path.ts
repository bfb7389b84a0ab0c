import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openBeneath } from './resolve-beneath.ts'
import { VolumeError } from './volume-manager.ts'

/**
 * Where `subPath` of a volume stands, made as a directory with the volume's own rights when it is missing. Throws
 * VolumeError for a path that is absolute, climbs, or meets a link that leads out. A place that is reached through
 * links inside the volume (a file of a ConfigMap) is given by its name, so that it stays right when the files are
 * replaced; every other one as it stood when it was looked at.
 */
export async function subPathIn(volumePath: string, subPath: string): Promise<string> {
  if (subPath.startsWith('/')) throw new VolumeError(`subPath "${subPath}" must be a relative path`)
  if (subPath.includes('\0')) throw new VolumeError('subPath must not contain a zero byte')
  if (subPath.split('/').includes('..')) throw new VolumeError(`subPath "${subPath}" must not contain '..'`)
  const { mode } = await stat(volumePath)
  const { handle } = await openBeneath(volumePath, subPath, mode & 0o777)
  await handle.close()
  return join(volumePath, subPath)
}

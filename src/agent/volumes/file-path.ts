import { VolumeError } from './volume-manager.ts'

const PATH_BYTES_MAX = 4096
const NAME_BYTES_MAX = 255

/**
 * Refuses every path of a file that could stand outside its volume, could not be made, or would be taken for one of
 * the volume's own entries (`..data`). Throws VolumeError.
 */
export function checkFilePath(path: string): void {
  if (path.startsWith('/')) throw new VolumeError(`invalid path: must be relative path: ${path}`)
  const names = pathNames(path)
  if (names.length === 0) throw new VolumeError('invalid path: must not be empty')
  if (path.includes('\0')) throw new VolumeError('invalid path: must not contain a zero byte')
  if (Buffer.byteLength(path) > PATH_BYTES_MAX)
    throw new VolumeError(`invalid path: must be less than or equal to ${PATH_BYTES_MAX} characters`)
  for (const name of path.split('/')) {
    if (name === '..') throw new VolumeError(`invalid path: must not contain '..': ${path}`)
    if (Buffer.byteLength(name) > NAME_BYTES_MAX)
      throw new VolumeError(`invalid path: filenames must be less than or equal to ${NAME_BYTES_MAX} characters`)
  }
  if (names[0]!.startsWith('..')) throw new VolumeError(`invalid path: must not start with '..': ${path}`)
}

/** The names along a checked path, without empty ones and dots. */
export function pathNames(path: string): readonly string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

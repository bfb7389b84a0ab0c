import type { Stats } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import type { HostPathVolumeSource } from '../../api/types/core-v1.gen.ts'
import { hasErrorCode } from '../files/open-directory.ts'
import { VolumeError } from './volume-manager.ts'

interface Check {
  readonly holds: (stats: Stats) => boolean
  readonly what: string
  readonly create?: (path: string) => Promise<void>
}

async function createDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 })
}

/** The directory above has to be there already. */
async function createFile(path: string): Promise<void> {
  await (await open(path, 'a', 0o644)).close()
}

const CHECKS: Readonly<Record<string, Check>> = {
  // No check of what is there, but a place to mount there must be.
  '': { holds: () => true, what: 'anything', create: createDirectory },
  Directory: { holds: (stats) => stats.isDirectory(), what: 'a directory' },
  DirectoryOrCreate: { holds: (stats) => stats.isDirectory(), what: 'a directory', create: createDirectory },
  File: { holds: (stats) => stats.isFile(), what: 'a file' },
  FileOrCreate: { holds: (stats) => stats.isFile(), what: 'a file', create: createFile },
  Socket: { holds: (stats) => stats.isSocket(), what: 'a socket file' },
  CharDevice: { holds: (stats) => stats.isCharacterDevice(), what: 'a character device' },
  BlockDevice: { holds: (stats) => stats.isBlockDevice(), what: 'a block device' },
}

/** Makes what may be made and checks what must be there; resolves with the path. Throws VolumeError in the kubelet's words. */
export async function prepareHostPath({ path, type = '' }: HostPathVolumeSource): Promise<string> {
  const check = Object.hasOwn(CHECKS, type) ? CHECKS[type] : undefined
  if (check === undefined) throw new VolumeError(`hostPath type ${type} is not supported`)
  let found = await lookAt(path)
  if (found === undefined && check.create !== undefined) {
    await check.create(path)
    found = await lookAt(path)
  }
  if (found === undefined || !check.holds(found))
    throw new VolumeError(`hostPath type check failed: ${path} is not ${check.what}`)
  return path
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

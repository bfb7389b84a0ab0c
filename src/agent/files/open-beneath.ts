import { constants } from 'node:fs'
import { chmod, type FileHandle, mkdir, open, readlink } from 'node:fs/promises'
import { hasErrorCode, insideOf, O_PATH, placeOf } from './open-directory.ts'

const { O_DIRECTORY, O_NOFOLLOW } = constants
/** As the kernel's own limit; also how often an entry may change under our eyes. */
const LINKS_MAX = 40

/** A path that leads out of its directory, or to nothing that could be used. */
export class PathError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PathError'
  }
}

/**
 * Walks a relative path from a directory without ever leaving it (openat2's RESOLVE_BENEATH): each name is opened from
 * the directory before it, so a link that is swapped in meanwhile changes nothing. Links may lead anywhere inside;
 * absolute ones and those that climb out are refused. Missing directories are made with `createMode` when it is given.
 * Resolves with the place itself, held open: it
 * stays the same whatever becomes of the names that led to it. Throws PathError.
 */
export async function openBeneath(base: string, path: string, createMode?: number): Promise<FileHandle> {
  const trail: FileHandle[] = [await open(base, O_PATH | O_DIRECTORY)]
  try {
    const names = path.split('/').reverse()
    let links = 0
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        if (trail.length === 1) throw leadsOut(path)
        await trail.pop()!.close()
        continue
      }
      const entry = await openEntry(trail.at(-1)!, name, createMode, path)
      trail.push(entry)
      const stat = await entry.stat()
      if (stat.isSymbolicLink()) {
        links += 1
        if (links > LINKS_MAX) throw new PathError(`too many levels of symbolic links: ${path}`)
        await trail.pop()!.close()
        const target = await linkTarget(trail.at(-1)!, name)
        if (target?.startsWith('/')) throw leadsOut(path)
        names.push(...(target ?? name).split('/').reverse())
      } else if (!stat.isDirectory() && names.some((rest) => rest !== '' && rest !== '.'))
        throw new PathError(`not a directory: ${path}`)
    }
    return trail.pop()!
  } finally {
    for (const handle of trail) await handle.close()
  }
}

function leadsOut(path: string): PathError {
  return new PathError(`path ${path} leads out of the volume`)
}

/** Undefined when it is no link any more. */
async function linkTarget(directory: FileHandle, name: string): Promise<string | undefined> {
  try {
    return await readlink(insideOf(directory, name))
  } catch (error) {
    if (hasErrorCode(error, 'EINVAL', 'ENOENT')) return undefined
    throw error
  }
}

async function openEntry(
  directory: FileHandle,
  name: string,
  createMode: number | undefined,
  path: string,
): Promise<FileHandle> {
  const entry = insideOf(directory, name)
  for (let left = LINKS_MAX; ; left--) {
    try {
      return await open(entry, O_PATH | O_NOFOLLOW)
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT')) throw error
      if (createMode === undefined || left === 0) throw new PathError(`no such file or directory: ${path}`)
    }
    try {
      await mkdir(entry, { mode: createMode })
      const made = await open(entry, O_PATH | O_NOFOLLOW | O_DIRECTORY)
      try {
        await chmod(placeOf(made), createMode)
        return made
      } catch (error) {
        await made.close()
        throw error
      }
    } catch (error) {
      // Somebody else made it, or put something in its place: looked at again.
      if (!hasErrorCode(error, 'EEXIST', 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error
    }
  }
}

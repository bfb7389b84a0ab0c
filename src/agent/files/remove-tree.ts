import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, type FileHandle, open, readdir, rename, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { hasErrorCode, insideOf, O_PATH, placeOf } from './open-directory.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants
/** Deeper directories are moved up before they are emptied: neither descriptors nor lengths of paths bound the depth. */
const DEPTH_MAX = 16
/** Somebody may still be writing while we remove; after so many rounds that is told as an error. */
const TRIES_MAX = 8
const OWN_RIGHTS = 0o700

/**
 * Removes a file or a directory with all it holds. Never follows a link, not even one that takes a directory's place
 * while it is being emptied: every step is relative to a directory that is held open. What is gone already is fine.
 * Cost: one descriptor for each level of depth, at most 16.
 */
export async function removeTree(path: string): Promise<void> {
  let parent: FileHandle
  try {
    parent = await open(dirname(path), O_PATH | O_DIRECTORY)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return
    throw error
  }
  try {
    const names = [basename(path)]
    const moveUp = async (from: string): Promise<void> => {
      const name = `.wherry-removed-${randomUUID()}`
      await rename(from, insideOf(parent, name))
      names.push(name)
    }
    for (let name = names.pop(); name !== undefined; name = names.pop())
      await removeEntry(parent, name, false, moveUp, 0)
  } finally {
    await parent.close()
  }
}

/** `isDirectory`: it was one when it was seen, which saves a try. */
async function removeEntry(
  parent: FileHandle,
  name: string,
  isDirectory: boolean,
  moveUp: (path: string) => Promise<void>,
  depth: number,
): Promise<void> {
  const path = insideOf(parent, name)
  for (let left = TRIES_MAX; ; left--) {
    try {
      if (!(isDirectory && left === TRIES_MAX) && (await unlinkFile(path))) return
      if (depth >= DEPTH_MAX) {
        await giveRights(path)
        return await moveUp(path)
      }
      await emptyDirectory(path, moveUp, depth)
      return await rmdir(path)
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return
      if (left === 0) throw error
      // Its owner may take rights from a directory and give them back; where the tree itself stands is others' matter.
      if (hasErrorCode(error, 'EACCES') && depth > 0) await chmod(placeOf(parent), OWN_RIGHTS)
      // Changed under our hands: a link in a directory's place, or new entries.
      else if (!hasErrorCode(error, 'ENOTDIR', 'ELOOP', 'ENOTEMPTY', 'EEXIST')) throw error
    }
  }
}

/** False when it is a directory. */
async function unlinkFile(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (hasErrorCode(error, 'EISDIR', 'EPERM')) return false
    throw error
  }
}

async function emptyDirectory(path: string, moveUp: (path: string) => Promise<void>, depth: number): Promise<void> {
  const directory = await openForEmptying(path)
  try {
    for (const entry of await readdir(placeOf(directory), { withFileTypes: true }))
      await removeEntry(directory, entry.name, entry.isDirectory(), moveUp, depth + 1)
  } finally {
    await directory.close()
  }
}

async function openForEmptying(path: string): Promise<FileHandle> {
  try {
    return await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (error) {
    if (!hasErrorCode(error, 'EACCES')) throw error
    await giveRights(path)
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  }
}

/** Makes a directory its owner's to read and change; does not follow a link. */
async function giveRights(path: string): Promise<void> {
  const directory = await open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW)
  try {
    await chmod(placeOf(directory), OWN_RIGHTS)
  } finally {
    await directory.close()
  }
}

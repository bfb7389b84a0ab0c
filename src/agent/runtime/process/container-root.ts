import { existsSync, statSync } from 'node:fs'
import { lstat, mkdir, readlink, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, posix } from 'node:path'
import { openBeneath, PathError } from '../../files/open-beneath.ts'
import { hasErrorCode, insideOf } from '../../files/open-directory.ts'
import { removeTree } from '../../files/remove-tree.ts'
import { type ContainerConfig, type Mount, RuntimeError } from '../runtime.ts'

const DIRECTORY_MODE = 0o755

/** A mount path without `.` and `..`, absolute: it can only lead beneath the container's root. */
function cleanTarget(target: string): string {
  return posix.join('/', target).replace(/(.)\/$/, '$1')
}

/** Outer mounts first, so that inner ones land in the volume that covers their place. */
function outerFirst(mounts: readonly Mount[]): readonly Mount[] {
  return [...mounts].sort((a, b) => cleanTarget(a.target).length - cleanTarget(b.target).length)
}

/**
 * Makes a new, empty root for a container: each mount stands in it as a link at its mount path without the leading
 * slash, so `/app` is `app` from the working directory. A mount inside another mount becomes a link in that volume,
 * unless something else stands there already. Links that containers left in a volume never lead out of it.
 */
export async function makeContainerRoot(root: string, mounts: readonly Mount[]): Promise<void> {
  await removeTree(root)
  await mkdir(root, { recursive: true, mode: DIRECTORY_MODE })
  const ordered = outerFirst(mounts)
  for (const [i, { target, source }] of ordered.entries()) {
    if (cleanTarget(target) === '/')
      throw new RuntimeError('CreateContainerError', 'a volume cannot be mounted at / on this runtime')
    try {
      await place(root, ordered.slice(0, i), { target, source, mayReplace: leadsNowhere })
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new RuntimeError('CreateContainerError', `cannot place the volume at ${target}: ${why}`, { cause })
    }
  }
}

interface Placing {
  readonly target: string
  readonly source: string
  /** Whether a link that stands there already may go. */
  mayReplace(link: string, source: string): boolean | Promise<boolean>
}

/** Puts a link at a path of the container: in the volume that covers it, else in the root. */
async function place(root: string, mounts: readonly Mount[], placing: Placing): Promise<void> {
  const path = cleanTarget(placing.target)
  const covering = mounts.findLast(({ target }) => path.startsWith(`${cleanTarget(target)}/`))
  const base = covering?.source ?? root
  const inside = path.slice(covering === undefined ? 1 : cleanTarget(covering.target).length + 1)
  const directory = await openBeneath(base, posix.dirname(inside), DIRECTORY_MODE)
  try {
    await placeLink(insideOf(directory, posix.basename(inside)), placing)
  } finally {
    await directory.close()
  }
}

async function placeLink(link: string, { target, source, mayReplace }: Placing): Promise<void> {
  try {
    await symlink(source, link)
  } catch (error) {
    if (!hasErrorCode(error, 'EEXIST')) throw error
    const present = (await lstat(link)).isSymbolicLink() ? await readlink(link) : undefined
    if (present === source) return
    if (present === undefined || !(await mayReplace(link, present)))
      throw new RuntimeError(
        'CreateContainerError',
        `something else stands where the volume should be mounted: ${target}`,
      )
    await unlink(link)
    await symlink(source, link)
  }
}

/** True for what a pod that is gone left in a volume that stayed. */
async function leadsNowhere(link: string): Promise<boolean> {
  try {
    await stat(link)
    return false
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return true
    throw error
  }
}

/**
 * Places the file for the termination message: `/dev/termination-log` is `dev/termination-log` beneath the root. Its
 * content lives with the attempt, so that it outlasts the root. What else stands in a volume at that path stays there.
 */
export async function placeTerminationMessage(
  root: string,
  { mounts, terminationMessagePath }: Pick<ContainerConfig, 'mounts' | 'terminationMessagePath'>,
  file: string,
): Promise<void> {
  await writeFile(file, '', { mode: 0o666 })
  const ofContainer = `${dirname(dirname(file))}/`
  try {
    await place(root, outerFirst(mounts), {
      target: terminationMessagePath,
      source: file,
      // In a volume the one of the attempt before may stand.
      mayReplace: (_, present) => present.startsWith(ofContainer),
    })
  } catch (error) {
    if (!(error instanceof RuntimeError || error instanceof PathError)) throw error
  }
}

/** Beneath the root where it exists there, else the host's own path; relative ones start at the root. */
export function workingDirectoryIn(root: string, workingDir: string | undefined): string {
  if (workingDir === undefined || workingDir === '') return root
  const inside = join(root, cleanTarget(workingDir))
  if (existsSync(inside) || !isAbsolute(workingDir)) return directory(inside, workingDir)
  return directory(workingDir, workingDir)
}

function directory(path: string, asked: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path
  throw new RuntimeError('StartError', `chdir to cwd ("${asked}") set in config: no such directory`)
}

import { existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join, posix } from 'node:path'
import { type Mount, RuntimeError } from '../runtime.ts'

/** A mount path without `.` and `..`, absolute: it can only lead beneath the container's root. */
function cleanTarget(target: string): string {
  return posix.join('/', target).replace(/(.)\/$/, '$1')
}

/**
 * Makes a new, empty root for a container: each mount stands in it as a link at its mount path without the leading
 * slash, so `/app` is `app` from the working directory. A mount inside another mount becomes a link in that volume,
 * unless something else stands there already.
 */
export function makeContainerRoot(root: string, mounts: readonly Mount[]): void {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true, mode: 0o755 })
  // Outer mounts first, so that inner ones land in the volume that covers their place.
  const ordered = [...mounts].sort((a, b) => cleanTarget(a.target).length - cleanTarget(b.target).length)
  for (const mount of ordered) {
    const target = cleanTarget(mount.target)
    if (target === '/')
      throw new RuntimeError('CreateContainerError', 'a volume cannot be mounted at / on this runtime')
    const link = join(root, target)
    try {
      mkdirSync(dirname(link), { recursive: true })
      placeLink(link, mount.source)
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new RuntimeError('CreateContainerError', `cannot place the volume at ${mount.target}: ${why}`, { cause })
    }
  }
}

function placeLink(link: string, source: string): void {
  const present = lstatSync(link, { throwIfNoEntry: false })
  if (present === undefined) symlinkSync(source, link)
  else if (!present.isSymbolicLink() || readlinkSync(link) !== source)
    throw new RuntimeError('CreateContainerError', `something else stands where the volume should be mounted: ${link}`)
}

/**
 * Places the file for the termination message: `/dev/termination-log` is `dev/termination-log` beneath the root. Its
 * content lives with the attempt, so that it outlasts the root.
 */
export function placeTerminationMessage(root: string, messagePath: string, file: string): void {
  writeFileSync(file, '', { mode: 0o666 })
  const link = join(root, cleanTarget(messagePath))
  if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) return
  mkdirSync(dirname(link), { recursive: true })
  symlinkSync(file, link)
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

import type { FileHandle } from 'node:fs/promises'

/** Linux: a descriptor that only names a place: it needs no right to read, and opening a pipe or a device does nothing. */
export const O_PATH = 0o10000000

/** An open place itself, whatever has become of the names that led to it. */
export function placeOf(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`
}

/**
 * An entry of an open directory, whatever has become of the directory's own path meanwhile (openat(2) by way of /proc).
 * Only `name` itself can be a link.
 */
export function insideOf(directory: FileHandle, name: string): string {
  return `${placeOf(directory)}/${name}`
}

/** True for a system error with one of these codes. */
export function hasErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException | undefined)?.code ?? '')
}

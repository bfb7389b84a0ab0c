import type { ConfigMap, KeyToPath, Secret } from '../../api/types/core-v1.gen.ts'
import type { VolumeFile } from './volume-file.ts'
import { VolumeError } from './volume-manager.ts'

/** Entries of a ConfigMap: texts and bytes together. */
export function configMapEntries({ data = {}, binaryData = {} }: ConfigMap): ReadonlyMap<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>()
  for (const [key, text] of Object.entries(data)) entries.set(key, Buffer.from(text))
  for (const [key, text] of Object.entries(binaryData)) entries.set(key, Buffer.from(text, 'base64'))
  return entries
}

export function secretEntries({ data = {} }: Secret): ReadonlyMap<string, Uint8Array> {
  return new Map(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64')] as const))
}

export interface KeySelection {
  /** Which keys become which files; every key a file of its own name when there are none. */
  readonly items: readonly KeyToPath[] | undefined
  readonly optional: boolean
  readonly defaultMode: number
  /** How the message about a missing key begins. */
  readonly missing: string
}

/** Which entries stand in which files. Throws VolumeError for a key that is not there and not optional. */
export function keyFiles(
  entries: ReadonlyMap<string, Uint8Array>,
  { items = [], optional, defaultMode, missing }: KeySelection,
): readonly (readonly [path: string, file: VolumeFile])[] {
  if (items.length === 0) return [...entries].map(([key, bytes]) => [key, { bytes, mode: defaultMode }] as const)
  const files: (readonly [string, VolumeFile])[] = []
  for (const { key, path, mode } of items) {
    const bytes = entries.get(key)
    if (bytes !== undefined) files.push([path, { bytes, mode: mode ?? defaultMode }])
    else if (!optional) throw new VolumeError(`${missing}: ${key}`)
  }
  return files
}

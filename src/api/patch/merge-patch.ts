import { copyObject, isPlainObject, setOwn } from './plain-object.ts'

/** JSON merge patch (RFC 7386): objects merge, null removes, everything else replaces. The input is not changed. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) return patch
  const result = copyObject(document)
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else setOwn(result, key, applyMergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value))
  }
  return result
}

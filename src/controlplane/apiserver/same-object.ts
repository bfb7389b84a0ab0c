import { isRawInteger } from '../../api/json.ts'
import type { KubeObject } from '../../api/object.ts'

type Fields = Readonly<Record<string, unknown>>

/** Equality of what two values are as JSON: a field that is undefined counts as absent. */
function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isRawInteger(a) || isRawInteger(b)) return JSON.stringify(a) === JSON.stringify(b)
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    for (let i = 0; i < a.length; i++) if (!sameJson(a[i], b[i])) return false
    return true
  }
  return !Array.isArray(b) && sameFields(a as Fields, b as Fields, undefined)
}

function sameFields(a: Fields, b: Fields, ignored: string | undefined): boolean {
  let count = 0
  for (const key in a) {
    if (key === ignored || a[key] === undefined) continue
    if (!Object.hasOwn(b, key) || !sameJson(a[key], b[key])) return false
    count += 1
  }
  for (const key in b) if (key !== ignored && b[key] !== undefined) count -= 1
  return count === 0
}

/** True when a write of `next` over `previous` would change nothing but the version. */
export function sameObject(next: KubeObject, previous: KubeObject): boolean {
  const [nextMeta, previousMeta] = [next.metadata ?? {}, previous.metadata ?? {}]
  return (
    sameFields(nextMeta as Fields, previousMeta as Fields, 'resourceVersion') &&
    sameFields(next as Fields, previous as Fields, 'metadata')
  )
}

/** A writable deep copy of a JSON value; integers kept as raw JSON stay what they are (structuredClone would lose them). */
export function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null || isRawInteger(value)) return value
  if (Array.isArray(value)) return value.map(copyJson) as T
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const inner = copyJson((value as Fields)[key])
    if (key === '__proto__')
      Object.defineProperty(copy, key, { value: inner, enumerable: true, configurable: true, writable: true })
    else copy[key] = inner
  }
  return copy as T
}

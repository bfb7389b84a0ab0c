import { isRawInteger } from '../json.ts'

/** A JSON object: neither null, nor an array, nor an integer kept as raw JSON. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawInteger(value)
}

/** Sets an own property whatever its name, `__proto__` too. */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}

/** A shallow copy, with own properties of any name. */
export function copyObject(source: unknown): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  if (isPlainObject(source)) for (const key of Object.keys(source)) setOwn(copy, key, source[key])
  return copy
}

/** Equality of JSON values, whatever the order of keys. */
export function jsonEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (isRawInteger(a) || isRawInteger(b)) return JSON.stringify(a) === JSON.stringify(b)
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((value, i) => jsonEqual(value, b[i]))
  if (!isPlainObject(a) || !isPlainObject(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && jsonEqual(a[key], b[key]))
  )
}

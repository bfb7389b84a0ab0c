/** Text that is no JSON, or that is nested deeper than anything real. */
export class JsonError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'JsonError'
  }
}

const DEPTH_MAX = 1_000
/** Runs of 16 digits or more may be integers that a double cannot hold. */
const LONG_DIGITS = /\d{16}/
const RISKY_KEY = /"(?:__proto__|\\u005f)/i

/** Refuses deep nesting by counting brackets, before a recursive parser could meet it. */
function checkDepth(text: string): void {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === 0x5c) i += 1
      else if (c === 0x22) inString = false
    } else if (c === 0x22) inString = true
    else if (c === 0x7b || c === 0x5b) {
      depth += 1
      if (depth > DEPTH_MAX) throw new JsonError(`exceeded max depth of ${DEPTH_MAX}`)
    } else if (c === 0x7d || c === 0x5d) depth -= 1
  }
}

type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown

/** Keeps integers that a double would change as they were written; `JSON.stringify` writes them back byte for byte. */
const keepIntegers: Reviver = (_, value, context) =>
  typeof value === 'number' &&
  !Number.isSafeInteger(value) &&
  context.source !== undefined &&
  /^-?\d+$/.test(context.source)
    ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(context.source)
    : value

/**
 * Parses JSON. `JSON.parse` makes `__proto__` a plain own property already; integers beyond 2^53 survive a round trip;
 * nesting is bounded. Throws JsonError.
 */
export function parseJson(bytes: Uint8Array | string): unknown {
  const text = typeof bytes === 'string' ? bytes : new TextDecoder().decode(bytes)
  checkDepth(text)
  try {
    return LONG_DIGITS.test(text) && !RISKY_KEY.test(text) ? JSON.parse(text, keepIntegers as never) : JSON.parse(text)
  } catch (cause) {
    throw new JsonError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** The paths (`spec.replicas`, `items[0].name`) of keys that stand twice in one object. The text must be good JSON. */
export function duplicateKeys(text: string): readonly string[] {
  const found: string[] = []
  interface Frame {
    readonly keys: Set<string> | undefined
    readonly path: string
    index: number
    key: string
  }
  const stack: Frame[] = []
  const here = (): string => {
    const top = stack.at(-1)
    if (top === undefined) return ''
    if (top.keys === undefined) return `${top.path}[${top.index}]`
    return top.path === '' ? top.key : `${top.path}.${top.key}`
  }
  let expectKey = false
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '"') {
      const start = i
      for (i += 1; text[i] !== '"'; i++) if (text[i] === '\\') i += 1
      const top = stack.at(-1)
      if (!expectKey || top?.keys === undefined) continue
      const key = JSON.parse(text.slice(start, i + 1)) as string
      top.key = key
      if (top.keys.has(key)) found.push(here())
      top.keys.add(key)
      expectKey = false
    } else if (c === '{' || c === '[') {
      stack.push({ keys: c === '{' ? new Set() : undefined, path: here(), index: 0, key: '' })
      expectKey = c === '{'
    } else if (c === '}' || c === ']') {
      stack.pop()
      expectKey = false
    } else if (c === ',') {
      const top = stack.at(-1)!
      if (top.keys === undefined) top.index += 1
      else expectKey = true
    }
  }
  return found
}

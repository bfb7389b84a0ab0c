/** Text that is no JSON, or that is nested deeper than anything real. */
export class JsonError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'JsonError'
  }
}

export interface ParsedJson {
  readonly value: unknown
  /**
   * Paths (`spec.replicas`, `items[0].name`) of keys that stood twice in one object; the last one won. The first ones of
   * many.
   */
  readonly duplicates: readonly string[]
}

/** Every recursive walk over a parsed value stays far from the end of the stack with this. */
const DEPTH_MAX = 1_000
const DUPLICATES_MAX = 100
/** Runs of 16 digits or more may be integers that a double cannot hold. */
const LONG_DIGITS = /\d{16}/

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Counts the members (`key: value`) of all objects; refuses deep nesting before anything recursive could meet it. */
function countMembers(text: string): number {
  let depth = 0
  let members = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === QUOTE) {
      i = endOfString(text, i)
    } else if (c === 0x3a) members += 1
    else if (c === 0x7b || c === 0x5b) {
      depth += 1
      if (depth > DEPTH_MAX) throw new JsonError(`exceeded max depth of ${DEPTH_MAX}`)
    } else if (c === 0x7d || c === 0x5d) depth -= 1
  }
  return members
}

/** The index of the quote that ends the string starting at `start`, or the text's length. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end >= 0) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return end
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const item of value) count += countKeys(item)
    return count
  }
  for (const key of Object.keys(value)) count += 1 + countKeys((value as Readonly<Record<string, unknown>>)[key])
  return count
}

type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown

/** Keeps integers that a double would change as they were written. */
const keepIntegers: Reviver = (_, value, context) =>
  typeof value === 'number' &&
  !Number.isSafeInteger(value) &&
  context.source !== undefined &&
  /^-?\d+$/.test(context.source)
    ? new LongInteger(context.source)
    : value

const decoder = new TextDecoder()

/**
 * Parses JSON. `__proto__` and `constructor` are plain own properties; integers beyond 2^53 come out as
 * `LongInteger` and survive a round trip byte for byte; nesting is bounded. Throws JsonError. Cost: `JSON.parse`, one
 * scan of the text and one of the value; paths of duplicates are searched only when the two scans disagree.
 */
export function parseJson(bytes: Uint8Array | string): ParsedJson {
  const text = typeof bytes === 'string' ? bytes : decoder.decode(bytes)
  const members = countMembers(text)
  try {
    const plain: unknown = JSON.parse(text)
    const duplicates = members === countKeys(plain) ? [] : duplicateKeys(text)
    // `never`: the library's type of a reviver lacks the third argument.
    return { value: LONG_DIGITS.test(text) ? JSON.parse(text, keepIntegers as never) : plain, duplicates }
  } catch (cause) {
    throw new JsonError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/**
 * An integer that no double holds exactly, kept as it was written. `JSON.stringify` writes it back byte for byte; in
 * arithmetic and comparisons it counts as the nearest double, so code that knows nothing of it goes on working.
 */
export class LongInteger {
  readonly rawJSON: string

  constructor(text: string) {
    this.rawJSON = text
    Object.freeze(this)
  }

  valueOf(): number {
    return Number(this.rawJSON)
  }

  toString(): string {
    return this.rawJSON
  }

  toJSON(): unknown {
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(this.rawJSON)
  }
}

/** True for what `parseJson` keeps an integer beyond 2^53 as. */
export function isRawInteger(value: unknown): value is LongInteger {
  return value instanceof LongInteger
}

interface Frame {
  readonly keys: Set<string> | undefined
  /** Those of `keys` that are known to stand twice: a path is made of each once, for it may be long. */
  readonly doubled: Set<string>
  readonly path: string
  index: number
  key: string
}

function pathIn(frame: Frame | undefined): string {
  if (frame === undefined) return ''
  if (frame.keys === undefined) return `${frame.path}[${frame.index}]`
  return frame.path === '' ? frame.key : `${frame.path}.${frame.key}`
}

/** Where keys stand twice in one object. The text must be good JSON. */
function duplicateKeys(text: string): readonly string[] {
  const found: string[] = []
  const stack: Frame[] = []
  let expectKey = false
  for (let i = 0; i < text.length && found.length < DUPLICATES_MAX; i++) {
    const c = text[i]
    const top = stack.at(-1)
    if (c === '"') {
      const start = i
      i = endOfString(text, i)
      if (!expectKey || top?.keys === undefined) continue
      top.key = JSON.parse(text.slice(start, i + 1)) as string
      if (!top.keys.has(top.key)) top.keys.add(top.key)
      else if (!top.doubled.has(top.key)) {
        top.doubled.add(top.key)
        found.push(pathIn(top))
      }
      expectKey = false
    } else if (c === '{' || c === '[') {
      stack.push({ keys: c === '{' ? new Set() : undefined, doubled: new Set(), path: pathIn(top), index: 0, key: '' })
      expectKey = c === '{'
    } else if (c === '}' || c === ']') {
      stack.pop()
      expectKey = false
    } else if (c === ',' && top !== undefined) {
      if (top.keys === undefined) top.index += 1
      else expectKey = true
    }
  }
  return found
}

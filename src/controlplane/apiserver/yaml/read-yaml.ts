import { type Document, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml'

export interface YamlAsJson {
  readonly json: string
  /** Paths of keys that stand twice in one map; the last one counts. The first ones found, not all of many. */
  readonly duplicates: readonly string[]
}

/** Every alias counts for what it stands for, so a few bytes cannot become many. */
const ALIASES_MAX = 100
const DUPLICATES_MAX = 20

const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON

/** Integers of any size stay what they are; numbers that JSON cannot hold are errors. */
function jsonValue(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return rawJson(String(value))
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`json: unsupported value: ${value}`)
  return value
}

function duplicateKeys(document: Document): readonly string[] {
  const found = new Set<string>()
  const waiting: { readonly node: unknown; readonly path: string }[] = [{ node: document.contents, path: '' }]
  for (let next = waiting.pop(); next !== undefined && found.size < DUPLICATES_MAX; next = waiting.pop()) {
    const { node, path } = next
    if (isSeq(node)) for (const [i, item] of node.items.entries()) waiting.push({ node: item, path: `${path}[${i}]` })
    if (!isMap(node)) continue
    const keys = new Set<string>()
    for (const { key, value } of node.items) {
      const name = String(isScalar(key) ? key.value : key)
      const at = path === '' ? name : `${path}.${name}`
      // Each `<<` takes another map in.
      if (keys.has(name) && name !== '<<' && found.size < DUPLICATES_MAX) found.add(at)
      keys.add(name)
      waiting.push({ node: value as Node | null, path: at })
    }
  }
  return [...found].sort()
}

/**
 * A YAML document as JSON, read as Go's parser does: YAML 1.1, but dates and 10:20 are strings. Throws an Error for
 * what is no YAML. The time it takes can grow with the square of the text: long texts belong on a thread.
 */
export function readYaml(text: string): YamlAsJson {
  const document = parseDocument(text, {
    version: '1.1',
    // The library compares every key with every other.
    uniqueKeys: false,
    intAsBigInt: true,
    prettyErrors: false,
    logLevel: 'error',
    customTags: (tags) =>
      tags.filter(
        (tag) => typeof tag === 'string' || (tag.format !== 'TIME' && !/timestamp|binary|set|omap/.test(tag.tag ?? '')),
      ),
  })
  const [error] = document.errors
  if (error !== undefined) throw error
  const value: unknown = document.toJS({ maxAliasCount: ALIASES_MAX })
  return { json: JSON.stringify(value, jsonValue) ?? 'null', duplicates: duplicateKeys(document) }
}

import type { SchemaNode } from '../schema/schema-table.ts'
import { DIRECTIVE, directiveOf, malformed, withoutDirectives } from './patch-directive.ts'
import { isPlainObject } from './plain-object.ts'

type MergeElement = (
  node: SchemaNode | undefined,
  element: unknown,
  patch: Readonly<Record<string, unknown>>,
) => unknown

function identity(item: unknown, mergeKey: string | undefined): string | undefined {
  if (mergeKey === undefined) return JSON.stringify(item)
  return isPlainObject(item) ? JSON.stringify(item[mergeKey]) : undefined
}

/**
 * A list after its patch: replaced, merged by its merge key, or joined as a set, as the schema says. Elements that are
 * new come last. Cost: linear in both lists.
 */
export function mergeList(
  node: SchemaNode | undefined,
  current: unknown,
  patch: readonly unknown[],
  mergeElement: MergeElement,
): readonly unknown[] {
  const replaces = patch.some((item) => isPlainObject(item) && item[DIRECTIVE] === 'replace')
  if (node?.patchMerge !== true || replaces)
    return withoutDirectives(
      patch.filter((item) => !(isPlainObject(item) && item[DIRECTIVE] === 'replace')),
    ) as readonly unknown[]
  const list: readonly unknown[] = Array.isArray(current) ? current : []
  const { mergeKey } = node
  if (mergeKey === undefined)
    return [...new Map([...list, ...patch].map((item) => [JSON.stringify(item), item])).values()]
  return mergeByKey(node, mergeKey, list, patch, mergeElement)
}

function keyOf(item: unknown, mergeKey: string): string {
  if (!isPlainObject(item)) throw malformed(`an element is no object, but has to be merged by its "${mergeKey}"`)
  const id = identity(item, mergeKey)
  if (id === undefined) throw malformed(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`)
  return id
}

/** What is to be deleted goes first, so that a patch may also replace an element whole. */
function mergeByKey(
  node: SchemaNode,
  mergeKey: string,
  current: readonly unknown[],
  patch: readonly unknown[],
  mergeElement: MergeElement,
): readonly unknown[] {
  const gone = new Set<string | undefined>()
  const changes: { readonly id: string; readonly item: Readonly<Record<string, unknown>> }[] = []
  for (const item of patch) {
    const id = keyOf(item, mergeKey)
    if (directiveOf(item as Readonly<Record<string, unknown>>) === 'delete') gone.add(id)
    else changes.push({ id, item: item as Readonly<Record<string, unknown>> })
  }
  const merged = gone.size === 0 ? [...current] : current.filter((item) => !gone.has(identity(item, mergeKey)))
  const places = new Map<string | undefined, number>()
  for (const [i, item] of merged.entries()) {
    const id = identity(item, mergeKey)
    if (!places.has(id)) places.set(id, i)
  }
  for (const { id, item } of changes) {
    const place = places.get(id) ?? merged.length
    places.set(id, place)
    merged[place] = mergeElement(node.items, merged[place], item)
  }
  return merged
}

/** The list without the values of a `$deleteFromPrimitiveList/…`. */
export function withoutValues(list: readonly unknown[], values: readonly unknown[]): readonly unknown[] {
  const gone = new Set(values.map((value) => JSON.stringify(value)))
  return list.filter((item) => !gone.has(JSON.stringify(item)))
}

/**
 * Elements named in `order` (a `$setElementOrder/…`) come in that order. The others stay in theirs, and before a named
 * element that stood behind them.
 */
export function orderList(
  list: readonly unknown[],
  order: readonly unknown[],
  mergeKey: string | undefined,
): readonly unknown[] {
  const rank = new Map(order.map((item, i) => [identity(item, mergeKey), i]))
  const placed = list.map((item, index) => ({ item, index, rank: rank.get(identity(item, mergeKey)) }))
  const named = placed.filter((p) => p.rank !== undefined).sort((a, b) => a.rank! - b.rank!)
  const others = placed.filter((p) => p.rank === undefined)
  const result: unknown[] = []
  let n = 0
  let o = 0
  while (n < named.length && o < others.length) {
    if (named[n]!.index < others[o]!.index) result.push(named[n++]!.item)
    else result.push(others[o++]!.item)
  }
  return [...result, ...named.slice(n).map((p) => p.item), ...others.slice(o).map((p) => p.item)]
}

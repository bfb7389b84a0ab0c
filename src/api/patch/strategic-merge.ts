import { type SchemaNode, schemaOf } from '../schema/schema-table.ts'
import { StatusError } from '../status-error.ts'
import { isPlainObject, jsonEqual, setOwn } from './plain-object.ts'

const DIRECTIVE = '$patch'
const RETAIN_KEYS = '$retainKeys'
const DELETE_FROM_LIST = '$deleteFromPrimitiveList/'
const ELEMENT_ORDER = '$setElementOrder/'

type Json = Readonly<Record<string, unknown>>

function malformed(why: string): StatusError {
  return new StatusError('BadRequest', `the strategic merge patch cannot be used: ${why}`)
}

function directiveOf(patch: Json): string | undefined {
  const directive = patch[DIRECTIVE]
  if (directive === undefined) return undefined
  if (directive !== 'replace' && directive !== 'delete' && directive !== 'merge')
    throw malformed(`unknown patch type ${JSON.stringify(directive)}`)
  return directive
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value))
    return value.filter((item) => !(isPlainObject(item) && item[DIRECTIVE] === 'delete')).map(withoutDirectives)
  if (!isPlainObject(value)) return value
  const copy: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value))
    if (!key.startsWith('$') && inner !== null) setOwn(copy, key, withoutDirectives(inner))
  return copy
}

function mergeObjects(node: SchemaNode | undefined, document: unknown, patch: Json): unknown {
  const directive = directiveOf(patch)
  if (directive === 'delete') return {}
  if (directive === 'replace') return withoutDirectives(patch)
  const result: Record<string, unknown> = {}
  if (isPlainObject(document)) for (const [key, value] of Object.entries(document)) setOwn(result, key, value)

  const retained = patch[RETAIN_KEYS]
  if (retained !== undefined) {
    if (!Array.isArray(retained)) throw malformed(`${RETAIN_KEYS} is no list`)
    for (const key of Object.keys(result)) if (!retained.includes(key)) delete result[key]
  }
  const childOf = (key: string): SchemaNode | undefined =>
    node?.properties?.get(key) ?? (node?.type === 'map' ? node.items : undefined)
  for (const [key, value] of Object.entries(patch)) {
    if (key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(ELEMENT_ORDER)) continue
    if (key.startsWith(DELETE_FROM_LIST)) {
      const name = key.slice(DELETE_FROM_LIST.length)
      if (!Array.isArray(value)) throw malformed(`${key} is no list`)
      const list = result[name]
      if (Array.isArray(list)) result[name] = list.filter((item) => !value.some((gone) => jsonEqual(item, gone)))
      continue
    }
    if (value === null) {
      delete result[key]
      continue
    }
    const child = childOf(key)
    const current = Object.hasOwn(result, key) ? result[key] : undefined
    if (isPlainObject(value)) setOwn(result, key, mergeObjects(child, current, value))
    else if (Array.isArray(value))
      setOwn(result, key, mergeLists(child, current, value, patch[`${ELEMENT_ORDER}${key}`]))
    else setOwn(result, key, value)
  }
  // An order may be given for a list that itself does not change.
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(ELEMENT_ORDER)) continue
    const name = key.slice(ELEMENT_ORDER.length)
    const list = result[name]
    if (!Array.isArray(order)) throw malformed(`${key} is no list`)
    if (Array.isArray(list) && childOf(name)?.patchMerge === true)
      result[name] = ordered(list, order, childOf(name)?.mergeKey)
  }
  return result
}

function mergeLists(
  node: SchemaNode | undefined,
  document: unknown,
  patch: readonly unknown[],
  order: unknown,
): unknown {
  const replaces = patch.some((item) => isPlainObject(item) && item[DIRECTIVE] === 'replace')
  if (node?.patchMerge !== true || replaces)
    return withoutDirectives(
      patch.filter((item) => !(isPlainObject(item) && item[DIRECTIVE] === 'replace' && Object.keys(item).length === 1)),
    )
  const current = Array.isArray(document) ? [...document] : []
  const { mergeKey } = node
  if (mergeKey === undefined) {
    for (const item of patch) if (!current.some((other) => jsonEqual(other, item))) current.push(item)
    return Array.isArray(order) ? ordered(current, order, undefined) : current
  }
  for (const item of patch) {
    if (!isPlainObject(item)) throw malformed(`an element is no object, but has to be merged by its "${mergeKey}"`)
    const key = item[mergeKey]
    if (key === undefined)
      throw malformed(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`)
    const index = current.findIndex((other) => isPlainObject(other) && jsonEqual(other[mergeKey], key))
    if (directiveOf(item) === 'delete') {
      if (index >= 0) current.splice(index, 1)
    } else if (index < 0) current.push(withoutDirectives(mergeObjects(node.items, undefined, item)))
    else current[index] = mergeObjects(node.items, current[index], item)
  }
  return Array.isArray(order) ? ordered(current, order, mergeKey) : current
}

/** Elements named in `order` come in that order; the others keep their place relative to what stood before them. */
function ordered(
  list: readonly unknown[],
  order: readonly unknown[],
  mergeKey: string | undefined,
): readonly unknown[] {
  const idOf = (item: unknown): string =>
    JSON.stringify(mergeKey === undefined ? item : isPlainObject(item) ? item[mergeKey] : undefined)
  const rank = new Map(order.map((item, i) => [idOf(item), i]))
  const named = list.filter((item) => rank.has(idOf(item))).sort((a, b) => rank.get(idOf(a))! - rank.get(idOf(b))!)
  const result: unknown[] = []
  let next = 0
  let before = 0
  for (const item of list) {
    if (rank.has(idOf(item))) {
      before += 1
      continue
    }
    while (next < before) result.push(named[next++])
    result.push(item)
  }
  return [...result, ...named.slice(next)]
}

/**
 * Kubernetes' strategic merge patch: lists merge by their merge key or as sets where the schema says so, with the
 * directives `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…` and `$setElementOrder/…`. Throws BadRequest.
 */
export function applyStrategicMergePatch(schema: string, document: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) throw malformed('it is no object')
  return mergeObjects(schemaOf(schema), document, patch)
}

import { type SchemaNode, schemaOf } from '../schema/schema-table.ts'
import { mergeList, orderList, withoutValues } from './merge-list.ts'
import { DIRECTIVE, directiveOf, malformed, withoutDirectives } from './patch-directive.ts'
import { copyObject, isPlainObject, setOwn } from './plain-object.ts'

const RETAIN_KEYS = '$retainKeys'
const DELETE_FROM_LIST = '$deleteFromPrimitiveList/'
const ELEMENT_ORDER = '$setElementOrder/'

type Json = Readonly<Record<string, unknown>>

function childOf(node: SchemaNode | undefined, key: string): SchemaNode | undefined {
  return node?.type === 'map' ? node.items : node?.properties?.get(key)
}

function listOf(patch: Json, key: string): readonly unknown[] {
  const list = patch[key]
  if (!Array.isArray(list)) throw malformed(`${key} is no list`)
  return list
}

function mergeObject(node: SchemaNode | undefined, document: unknown, patch: Json): unknown {
  const directive = directiveOf(patch)
  if (directive === 'delete') return {}
  if (directive === 'replace') return withoutDirectives(patch)
  const result = copyObject(document)
  if (patch[RETAIN_KEYS] !== undefined) {
    const retained = new Set(listOf(patch, RETAIN_KEYS))
    for (const key of Object.keys(result)) if (!retained.has(key)) delete result[key]
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(ELEMENT_ORDER)) continue
    if (key.startsWith(DELETE_FROM_LIST)) {
      const name = key.slice(DELETE_FROM_LIST.length)
      const list = Object.hasOwn(result, name) ? result[name] : undefined
      if (Array.isArray(list)) setOwn(result, name, withoutValues(list, listOf(patch, key)))
    } else if (value === null) delete result[key]
    else
      setOwn(result, key, mergeValue(childOf(node, key), Object.hasOwn(result, key) ? result[key] : undefined, value))
  }
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(ELEMENT_ORDER)) continue
    const name = key.slice(ELEMENT_ORDER.length)
    const order = listOf(patch, key)
    const child = childOf(node, name)
    const list = Object.hasOwn(result, name) ? result[name] : undefined
    if (Array.isArray(list) && child?.patchMerge === true) setOwn(result, name, orderList(list, order, child.mergeKey))
  }
  return result
}

function mergeValue(node: SchemaNode | undefined, current: unknown, patch: unknown): unknown {
  if (isPlainObject(patch)) return mergeObject(node, current, patch)
  return Array.isArray(patch) ? mergeList(node, current, patch, mergeObject) : patch
}

/**
 * Kubernetes' strategic merge patch: lists merge by their merge key or as sets where the schema says so, with the
 * directives `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…` and `$setElementOrder/…`. The input is not changed.
 * Throws BadRequest for a patch that makes no sense.
 */
export function applyStrategicMergePatch(schema: string, document: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) throw malformed('it is no object')
  return mergeObject(schemaOf(schema), document, patch)
}

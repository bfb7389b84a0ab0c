import type { SchemaNode } from './schema-table.ts'

function shortName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

/** What Go calls the type, as it stands in error messages: `int32`, `[]v1.Container`, `map[string]string`. */
export function goTypeOf(node: SchemaNode): string {
  if (node.name !== undefined && node.type === 'object') return node.name.split('.').slice(-2).join('.')
  switch (node.type) {
    case 'integer':
      return node.format ?? 'int64'
    case 'boolean':
      return 'bool'
    case 'number':
      return 'float64'
    case 'string':
      return node.format === 'byte' ? '[]uint8' : 'string'
    case 'array':
      return `[]${goTypeOf(node.items!)}`
    case 'map':
      return `map[string]${goTypeOf(node.items!)}`
    default:
      return node.format === 'quantity'
        ? 'resource.Quantity'
        : node.format === 'int-or-string'
          ? 'intstr.IntOrString'
          : 'interface {}'
  }
}

/**
 * How Go names the field at a path: the innermost struct, then the fields from the root without indexes and map keys:
 * `EnvVar.spec.containers.env.value`. Undefined for the root itself.
 */
export function goFieldOf(root: SchemaNode, path: readonly (string | number)[]): string | undefined {
  let node: SchemaNode | undefined = root
  let struct = ''
  const fields: string[] = []
  for (const key of path) {
    if (node?.type === 'object') {
      struct = node.name === undefined ? struct : shortName(node.name)
      fields.push(String(key))
      node = node.properties?.get(String(key))
    } else node = node?.items
  }
  return fields.length === 0 ? undefined : `${struct}.${fields.join('.')}`
}

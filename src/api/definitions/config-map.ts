import type { ResourceDefinition } from '../definition.ts'
import { type FieldError, forbidden, invalid, tooLong } from '../field-error.ts'
import { configMapKeyErrors } from '../names.ts'
import type { ConfigMap } from '../types/core-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from './name-and-age-columns.ts'
import { semanticEqual } from './semantic-equal.ts'
import { ALL_VERBS } from './verbs.ts'

/** What all values of one ConfigMap or Secret may weigh. */
export const CONFIG_BYTES_MAX = 1024 * 1024

const IMMUTABLE = 'field is immutable when `immutable` is set'

function validateConfigMap(map: ConfigMap): readonly FieldError[] {
  const errors: FieldError[] = []
  let bytes = 0
  for (const [key, value] of Object.entries(map.data ?? {})) {
    for (const text of configMapKeyErrors(key)) errors.push(invalid(`data[${key}]`, key, text))
    if (Object.hasOwn(map.binaryData ?? {}, key)) {
      errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    }
    bytes += Buffer.byteLength(value)
  }
  for (const [key, value] of Object.entries(map.binaryData ?? {})) {
    for (const text of configMapKeyErrors(key)) errors.push(invalid(`binaryData[${key}]`, key, text))
    bytes += Buffer.byteLength(value, 'base64')
  }
  if (bytes > CONFIG_BYTES_MAX) errors.push(tooLong('', CONFIG_BYTES_MAX))
  return errors
}

function validateConfigMapUpdate(next: ConfigMap, previous: ConfigMap): readonly FieldError[] {
  if (previous.immutable !== true) return []
  const errors: FieldError[] = []
  if (next.immutable !== true) errors.push(forbidden('immutable', IMMUTABLE))
  if (!semanticEqual(next.data ?? {}, previous.data ?? {})) errors.push(forbidden('data', IMMUTABLE))
  if (!semanticEqual(next.binaryData ?? {}, previous.binaryData ?? {})) errors.push(forbidden('binaryData', IMMUTABLE))
  return errors
}

export const CONFIG_MAP: ResourceDefinition<ConfigMap> = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  singular: 'configmap',
  kind: 'ConfigMap',
  listKind: 'ConfigMapList',
  namespaced: true,
  shortNames: ['cm'],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.ConfigMap',
  storagePrefix: '/registry/configmaps',
  nameKind: 'subdomain',
  defaults() {},
  prepareForCreate() {},
  prepareForUpdate() {},
  validate: validateConfigMap,
  validateUpdate: validateConfigMapUpdate,
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    {
      name: 'Data',
      type: 'string',
      description: 'How many keys it holds.',
      cell: (map) => Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length,
    },
    AGE_COLUMN,
  ],
  otherSubresources: [],
}

import type { ResourceDefinition } from '../../../../src/api/definition.ts'
import { type FieldError, fieldErrorBody } from '../../../../src/api/field-error.ts'
import type { Draft, KubeObject } from '../../../../src/api/object.ts'
import { decodeObject } from '../../../../src/api/schema/decode.ts'

export const NOW_MS = Date.UTC(2026, 0, 1)

/** `path: what is wrong`, as users read it. */
export function texts(errors: readonly FieldError[]): readonly string[] {
  return errors.map((error) => `${error.path}: ${fieldErrorBody(error)}`)
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}

function decoded<T extends KubeObject>(definition: ResourceDefinition<T>, given: unknown): Draft<T> {
  const { object, unknownFields } = decodeObject(definition.schema, given)
  if (unknownFields.length > 0) throw new Error(`unknown fields: ${unknownFields.join(', ')}`)
  return object as Draft<T>
}

export interface Written<T> {
  readonly object: T
  readonly errors: readonly string[]
}

/** What the server makes of a new object: decoded, defaulted, prepared, validated. */
export function create<T extends KubeObject>(definition: ResourceDefinition<T>, given: unknown): Written<T> {
  const draft = decoded(definition, given)
  definition.defaults(draft)
  definition.prepareForCreate(draft, { nowMs: NOW_MS, subresource: '' })
  const object = freeze(draft) as unknown as T
  return { object, errors: texts(definition.validate(object)) }
}

/** A new object that has to be good. */
export function created<T extends KubeObject>(definition: ResourceDefinition<T>, given: unknown): T {
  const { object, errors } = create(definition, given)
  if (errors.length > 0) throw new Error(errors.join('\n'))
  return object
}

/** What the server makes of a change to the object or to one of its views. */
export function update<T extends KubeObject>(
  definition: ResourceDefinition<T>,
  previous: T,
  change: (draft: Draft<T>) => void,
  subresource: '' | 'status' = '',
): Written<T> {
  const changed = structuredClone(previous) as Draft<T>
  change(changed)
  const draft = decoded(definition, changed)
  definition.defaults(draft)
  if (subresource === 'status') {
    definition.status!.prepareForUpdate(draft, previous)
    const object = freeze(draft) as unknown as T
    return { object, errors: texts(definition.status!.validateUpdate(object, previous)) }
  }
  definition.prepareForUpdate(draft, previous, { nowMs: NOW_MS, subresource })
  const object = freeze(draft) as unknown as T
  return {
    object,
    errors: texts([...definition.validate(object), ...definition.validateUpdate(object, previous)]),
  }
}

/** One row as `kubectl get -o wide` has it, by column name. */
export function row<T extends KubeObject>(
  definition: ResourceDefinition<T>,
  object: T,
  nowMs = NOW_MS,
): Readonly<Record<string, string | number | boolean>> {
  return Object.fromEntries(definition.columns.map((column) => [column.name, column.cell(object, nowMs)]))
}

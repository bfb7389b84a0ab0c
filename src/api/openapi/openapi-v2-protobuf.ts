import { encodeMessage } from '../protobuf/encode-message.ts'
import { messageOf } from '../protobuf/message-table.ts'

type Json = Readonly<Record<string, unknown>>

/** A map is a list of names and values. */
function named(entries: unknown, form: (value: Json) => object): readonly object[] {
  return Object.entries((entries ?? {}) as Readonly<Record<string, Json>>).map(([name, value]) => ({
    name,
    value: form(value),
  }))
}

/** Values of any kind are told as YAML, which JSON is. */
function anyForm(value: unknown): object {
  return { yaml: `${JSON.stringify(value)}\n` }
}

function extensions(source: Json): { readonly vendorExtension: readonly object[] } {
  const own = Object.entries(source).filter(([key]) => key.startsWith('x-'))
  return { vendorExtension: own.map(([name, value]) => ({ name, value: anyForm(value) })) }
}

function schemaForm(source: Json): object {
  const { type, items, properties, additionalProperties: more, default: initial, ...rest } = source
  const additional = typeof more === 'boolean' ? { boolean: more } : more && { schema: schemaForm(more as Json) }
  return {
    ...rest,
    ...extensions(source),
    type: type === undefined ? undefined : { value: [type] },
    items: items === undefined ? undefined : { schema: [schemaForm(items as Json)] },
    properties: properties === undefined ? undefined : { additionalProperties: named(properties, schemaForm) },
    additionalProperties: additional,
    default: initial === undefined ? undefined : anyForm(initial),
  }
}

function parameterForm(source: Json): object {
  const { schema, ...rest } = source
  if (source.in === 'body') return { parameter: { bodyParameter: { ...rest, schema: schemaForm(schema as Json) } } }
  const key = source.in === 'path' ? 'pathParameterSubSchema' : 'queryParameterSubSchema'
  return { parameter: { nonBodyParameter: { [key]: { ...rest, ...extensions(source) } } } }
}

function parameterForms(source: unknown): readonly object[] {
  return ((source ?? []) as readonly Json[]).map(parameterForm)
}

function responseForm({ schema, ...rest }: Json): object {
  return {
    response: { ...rest, schema: schema === undefined ? undefined : { schema: schemaForm(schema as Json) } },
  }
}

function operationForm(source: Json): object {
  return {
    ...source,
    ...extensions(source),
    parameters: parameterForms(source.parameters),
    responses: { responseCode: named(source.responses, responseForm) },
  }
}

function pathForm({ parameters, ...operations }: Json): object {
  const forms = Object.entries(operations).map(([method, operation]) => [method, operationForm(operation as Json)])
  return { ...Object.fromEntries(forms), parameters: parameterForms(parameters) }
}

/**
 * An OpenAPI v2 document, given as JSON, in the protobuf form that clients before 1.28 insist on (gnostic's
 * `openapi.v2.Document`). It covers what our own documents hold.
 */
export function openApiV2Protobuf(text: string): Buffer {
  const { paths, definitions, ...rest } = JSON.parse(text) as Json
  return encodeMessage(messageOf('openapi/v2', 'Document')!, {
    ...rest,
    paths: { path: named(paths, pathForm) },
    definitions: { additionalProperties: named(definitions, schemaForm) },
  })
}

import type { ResourceDefinition } from '../definition.ts'
import { documentSchemas, schemaRef } from './document-schemas.ts'
import { type OpenApiText, openApiText } from './openapi-text.ts'
import { groupVersionPath, type Operation, operationsOf } from './operations.ts'

type Definitions = readonly ResourceDefinition[]

function content(types: readonly string[], schema: string | undefined): object {
  const form = schema === undefined ? { schema: { type: 'string' } } : { schema: schemaRef('v3', schema) }
  return Object.fromEntries(types.map((type) => [type, form]))
}

function parameter(name: string, type: string, place: 'path' | 'query'): object {
  return { name, in: place, ...(place === 'path' ? { required: true } : {}), schema: { type, uniqueItems: true } }
}

function operationObject(operation: Operation): object {
  const { answer, body } = operation
  const types = answer === undefined ? ['text/plain'] : ['application/json']
  if (operation.action === 'list') types.push('application/json;stream=watch')
  const responses = operation.success.map((code) => [code, { description: 'OK', content: content(types, answer) }])
  return {
    tags: [operation.tag],
    operationId: operation.id,
    parameters: operation.query.map(({ name, type }) => parameter(name, type, 'query')),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            content: content(operation.consumes, body),
            ...(operation.method === 'delete' ? {} : { required: true }),
          },
        }),
    responses: { ...Object.fromEntries(responses), 401: { description: 'Unauthorized' } },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.kind,
  }
}

function pathsOf(operations: readonly Operation[]): object {
  const paths = Map.groupBy(operations, ({ path }) => path)
  return Object.fromEntries(
    [...paths].map(([path, group]) => [
      path,
      {
        ...Object.fromEntries(group.map((operation) => [operation.method, operationObject(operation)])),
        parameters: group[0]!.pathParameters.map((name) => parameter(name, 'string', 'path')),
      },
    ]),
  )
}

function buildDocument(definitions: Definitions): OpenApiText {
  const operations = definitions.flatMap(operationsOf)
  const names = operations.flatMap(({ body, answer }) => [body, answer]).filter((name) => name !== undefined)
  return openApiText({
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.36.0' },
    paths: pathsOf(operations),
    components: { schemas: documentSchemas('v3', [...names, ...definitions.map(({ schema }) => schema)]) },
  })
}

const cache = new WeakMap<Definitions, Map<string, OpenApiText>>()

/**
 * `/openapi/v3/api/v1`, `/openapi/v3/apis/<group>/<version>`: the operations and schemas of one group and version.
 * Undefined when no definition is of it. Built on first use and kept for as long as the list of definitions is.
 */
export function openApiV3Document(group: string, version: string, definitions: Definitions): OpenApiText | undefined {
  const documents = cache.get(definitions) ?? new Map<string, OpenApiText>()
  cache.set(definitions, documents)
  const key = `${group}/${version}`
  let document = documents.get(key)
  if (document === undefined) {
    const own = definitions.filter((definition) => definition.group === group && definition.version === version)
    if (own.length === 0) return undefined
    document = buildDocument(own)
    documents.set(key, document)
  }
  return document
}

/** `/openapi/v3`: where each group's and version's document is, with its hash, so that clients may keep it for ever. */
export function openApiV3Index(definitions: Definitions): {
  readonly paths: Readonly<Record<string, { readonly serverRelativeURL: string }>>
} {
  const paths = new Map<string, { readonly serverRelativeURL: string }>()
  for (const { group, version } of definitions) {
    const path = groupVersionPath({ group, version }).slice(1)
    if (paths.has(path)) continue
    const { hash } = openApiV3Document(group, version, definitions)!
    paths.set(path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` })
  }
  return { paths: Object.fromEntries(paths) }
}

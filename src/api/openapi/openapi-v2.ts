import type { ResourceDefinition } from '../definition.ts'
import { documentSchemas, schemaRef } from './document-schemas.ts'
import { type OpenApiText, openApiText } from './openapi-text.ts'
import { type Operation, operationsOf } from './operations.ts'

function parameter(name: string, type: string, place: 'path' | 'query'): object {
  return { name, in: place, type, uniqueItems: true, ...(place === 'path' ? { required: true } : {}) }
}

function operationObject(operation: Operation): object {
  const { answer, body } = operation
  const schema = answer === undefined ? { type: 'string' } : schemaRef('v2', answer)
  const bodyParameter =
    body === undefined
      ? []
      : [{ name: 'body', in: 'body', required: operation.method !== 'delete', schema: schemaRef('v2', body) }]
  return {
    consumes: operation.consumes,
    produces: [answer === undefined ? 'text/plain' : 'application/json'],
    schemes: ['https'],
    tags: [operation.tag],
    operationId: operation.id,
    parameters: [...bodyParameter, ...operation.query.map(({ name, type }) => parameter(name, type, 'query'))],
    responses: {
      ...Object.fromEntries(operation.success.map((code) => [code, { description: 'OK', schema }])),
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.kind,
  }
}

const cache = new WeakMap<readonly ResourceDefinition[], OpenApiText>()

/** `/openapi/v2`: everything in one document, as older clients want it. Built on first use and kept. */
export function openApiV2Document(definitions: readonly ResourceDefinition[]): OpenApiText {
  let document = cache.get(definitions)
  if (document === undefined) {
    const operations = definitions.flatMap(operationsOf)
    const names = operations.flatMap(({ body, answer }) => [body, answer]).filter((name) => name !== undefined)
    const paths = [...Map.groupBy(operations, ({ path }) => path)].map(([path, group]) => [
      path,
      {
        ...Object.fromEntries(group.map((operation) => [operation.method, operationObject(operation)])),
        parameters: group[0]!.pathParameters.map((name) => parameter(name, 'string', 'path')),
      },
    ])
    document = openApiText({
      swagger: '2.0',
      info: { title: 'Kubernetes', version: 'v1.36.0' },
      paths: Object.fromEntries(paths),
      definitions: documentSchemas('v2', [...names, ...definitions.map(({ schema }) => schema)]),
    })
    cache.set(definitions, document)
  }
  return document
}

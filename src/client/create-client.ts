import type { KubeObject } from '../api/object.ts'
import { apiVersionOf, type ResourceType } from '../api/resource-type.ts'
import { StatusError } from '../api/status-error.ts'
import type { Status } from '../api/types/meta-v1.gen.ts'
import type { Client, ListParameters, ListResult, ObjectRef, WatchParameters } from './client.ts'
import type { ApiRequest, Transport, WatchEvent } from './transport.ts'

/** `/api/v1/namespaces/ns/pods/name/status`: where a resource, one object or its subresource stands. */
export function resourcePath(
  type: ResourceType,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const base = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
  const parts = [base]
  if (type.namespaced && namespace !== undefined) parts.push('namespaces', encodeURIComponent(namespace))
  parts.push(type.resource)
  if (name !== undefined) parts.push(encodeURIComponent(name))
  if (subresource !== undefined) parts.push(subresource)
  return parts.join('/')
}

/** The error in a failed answer's `Status`, with its reason; anything else becomes an internal error. */
export function statusErrorOf(status: number, body: unknown): StatusError {
  const answer = body as Status | undefined
  if (answer?.kind === 'Status') {
    return new StatusError(
      (answer.reason ?? 'InternalError') as StatusError['reason'],
      answer.message ?? '',
      answer.details,
      answer.code ?? status,
    )
  }
  return new StatusError('InternalError', `the API server answered ${status}`, undefined, status)
}

function queryOf(parameters: WatchParameters): Record<string, string> {
  const query: Record<string, string> = {}
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && name !== 'namespace' && name !== 'signal') query[name] = String(value)
  }
  return query
}

interface ListBody<T> {
  readonly items: readonly T[] | null
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string }
}

/** The typed client over any transport. */
export function createClient(transport: Transport): Client {
  const call = async (request: ApiRequest): Promise<unknown> => {
    const { status, body } = await transport.request(request)
    if (status >= 400) throw statusErrorOf(status, body)
    return body
  }
  const filled = <T extends KubeObject>(type: ResourceType<T>, object: T): T => ({
    ...object,
    apiVersion: apiVersionOf(type),
    kind: type.kind,
  })
  const pathOf = (type: ResourceType, object: KubeObject, subresource?: string): string =>
    resourcePath(type, object.metadata?.namespace, object.metadata?.name ?? '', subresource)

  return {
    async get<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef): Promise<T> {
      return (await call({ method: 'GET', path: resourcePath(type, ref.namespace, ref.name) })) as T
    },
    async list<T extends KubeObject>(type: ResourceType<T>, parameters: ListParameters = {}): Promise<ListResult<T>> {
      const body = (await call({
        method: 'GET',
        path: resourcePath(type, parameters.namespace),
        query: queryOf(parameters),
        ...(parameters.signal === undefined ? {} : { signal: parameters.signal }),
      })) as ListBody<T>
      return {
        items: body.items ?? [],
        resourceVersion: body.metadata.resourceVersion ?? '',
        continue: body.metadata.continue || undefined,
      }
    },
    async watch<T extends KubeObject>(
      type: ResourceType<T>,
      parameters: WatchParameters,
    ): Promise<AsyncIterable<WatchEvent<T>>> {
      const events = await transport.watch({
        method: 'GET',
        path: resourcePath(type, parameters.namespace),
        query: { ...queryOf(parameters), watch: 'true' },
        ...(parameters.signal === undefined ? {} : { signal: parameters.signal }),
      })
      return events as AsyncIterable<WatchEvent<T>>
    },
    async create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
      return (await call({
        method: 'POST',
        path: resourcePath(type, object.metadata?.namespace),
        body: filled(type, object),
      })) as T
    },
    async update<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
      return (await call({ method: 'PUT', path: pathOf(type, object), body: filled(type, object) })) as T
    },
    async updateStatus<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
      return (await call({ method: 'PUT', path: pathOf(type, object, 'status'), body: filled(type, object) })) as T
    },
    async patch<T extends KubeObject>(
      type: ResourceType<T>,
      ref: ObjectRef,
      patch: unknown,
      options: { readonly type?: string; readonly subresource?: string } = {},
    ): Promise<T> {
      const path = resourcePath(type, ref.namespace, ref.name, options.subresource)
      return (await call({
        method: 'PATCH',
        path,
        contentType: options.type ?? 'application/strategic-merge-patch+json',
        body: patch,
      })) as T
    },
    async delete(type, ref, parameters = {}) {
      await call({
        method: 'DELETE',
        path: resourcePath(type, ref.namespace, ref.name),
        body: { kind: 'DeleteOptions', apiVersion: 'v1', ...parameters },
      })
    },
    createSubresource: (type, ref, subresource, body) =>
      call({ method: 'POST', path: resourcePath(type, ref.namespace, ref.name, subresource), body }),
    updateSubresource: (type, ref, subresource, body) =>
      call({ method: 'PUT', path: resourcePath(type, ref.namespace, ref.name, subresource), body }),
  }
}

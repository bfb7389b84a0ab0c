import type { ResourceDefinition } from '../../api/definition.ts'
import { notFoundError, StatusError } from '../../api/status-error.ts'
import type { CoreRequest, CoreResponse } from './core-request.ts'
import type { PodLogSource } from './edge/pod-log-source.ts'
import type { PodStreamSource } from './edge/pod-stream-source.ts'
import type { ServiceAccountTokens } from './edge/service-account-tokens.ts'
import { methodNotAllowed, pathNotFound } from './refusals.ts'
import type { Registry } from './registry.ts'
import { storageKey } from './request-info.ts'
import { bind } from './subresources/binding.ts'
import { connect } from './subresources/connect.ts'
import { evict } from './subresources/eviction.ts'
import { finalize } from './subresources/finalize.ts'
import { log } from './subresources/log.ts'
import { proxyNode } from './subresources/node-proxy.ts'
import { scale } from './subresources/scale.ts'
import { requestToken } from './subresources/token.ts'
import { create } from './verbs/create.ts'
import { remove, removeCollection } from './verbs/delete.ts'
import { list, revisionParameter } from './verbs/list.ts'
import { patch } from './verbs/patch.ts'
import { update } from './verbs/update.ts'
import { watch } from './verbs/watch.ts'

/** Carries an authorized, parsed request out. */
export type Dispatch = (request: CoreRequest) => Promise<CoreResponse>

/** What verbs and subresources need beside what is stored. */
export interface DispatchOptions {
  readonly definitions: readonly ResourceDefinition[]
  readonly random: () => number
  readonly logSource?: PodLogSource
  readonly streamSource?: PodStreamSource
  readonly tokens?: ServiceAccountTokens
}

/** Chooses the verb's or the subresource's function. */
export function createDispatch(registry: Registry, options: DispatchOptions): Dispatch {
  const definitionOf = (resource: string): ResourceDefinition => {
    const found = options.definitions.find((definition) => definition.resource === resource)
    if (found === undefined) throw pathNotFound()
    return found
  }
  const plain = async (request: CoreRequest): Promise<CoreResponse> => {
    const { definition, info } = request
    if (!definition.verbs.includes(info.verb as never)) throw methodNotAllowed()
    if (info.name === '' && (info.verb === 'update' || info.verb === 'patch')) throw methodNotAllowed()
    switch (info.verb) {
      case 'get': {
        const asked = revisionParameter(request.query)
        if (asked !== undefined) await registry.cache.reach(asked)
        // With a version any state from there on will do (0: any at all), also while the store is out of reach.
        const stored =
          asked === undefined
            ? await registry.find(definition, info.namespace, info.name)
            : registry.cacheOf(definition).get(storageKey(definition, info.namespace, info.name))
        if (stored === undefined) throw notFoundError(definition, info.name)
        return { kind: 'object', status: 200, object: registry.served(definition, stored), warnings: [] }
      }
      case 'list':
        return list(registry, request)
      case 'watch':
        return watch(registry, request, options.random)
      case 'create':
        return create(registry, request)
      case 'update':
        return update(registry, request)
      case 'patch':
        return patch(registry, request)
      case 'delete':
        return remove(registry, request)
      case 'deletecollection':
        return removeCollection(registry, request)
      default:
        throw methodNotAllowed()
    }
  }
  const status = async (request: CoreRequest): Promise<CoreResponse> => {
    const { info } = request
    if (info.verb === 'get') return plain({ ...request, info: { ...info, subresource: '' } })
    if (info.verb === 'update') return update(registry, request)
    if (info.verb === 'patch') return patch(registry, request)
    throw methodNotAllowed()
  }
  const onlyCreate = (request: CoreRequest, answer: () => Promise<CoreResponse>): Promise<CoreResponse> => {
    if (request.info.verb !== 'create') throw methodNotAllowed()
    return answer()
  }

  return async (request) => {
    const { definition, info } = request
    if (info.resource === 'bindings') {
      const name =
        (request.body as { readonly metadata?: { readonly name?: string } } | undefined)?.metadata?.name ?? ''
      return onlyCreate(request, () =>
        bind(registry, { ...request, info: { ...info, resource: 'pods', name, subresource: 'binding' } }),
      )
    }
    if (info.subresource === '') return plain(request)
    if (info.subresource === 'status' && definition.status !== undefined) return status(request)
    if (info.subresource === 'scale' && definition.scale !== undefined) {
      if (!['get', 'update', 'patch'].includes(info.verb)) throw methodNotAllowed()
      return scale(registry, request)
    }
    if (!definition.otherSubresources.some(({ name }) => name === info.subresource)) throw pathNotFound()
    switch (`${definition.resource}/${info.subresource}`) {
      case 'pods/binding':
        return onlyCreate(request, () => bind(registry, request))
      case 'pods/eviction':
        return onlyCreate(request, () => evict(registry, request, definitionOf('poddisruptionbudgets')))
      case 'pods/log':
        if (info.verb !== 'get') throw methodNotAllowed()
        if (options.logSource === undefined)
          throw new StatusError('ServiceUnavailable', 'this API server has no way to the nodes')
        return log(registry, request, definitionOf('nodes'), options.logSource)
      case 'pods/exec':
      case 'pods/attach':
      case 'pods/portforward': {
        const { streamSource } = options
        if (streamSource === undefined)
          throw new StatusError('ServiceUnavailable', 'this API server has no way to the nodes')
        return onlyCreate(request, () => connect(registry, request, definitionOf('nodes'), streamSource))
      }
      case 'nodes/proxy':
        if (info.verb !== 'get') throw methodNotAllowed()
        if (options.logSource === undefined)
          throw new StatusError('ServiceUnavailable', 'this API server has no way to the nodes')
        return proxyNode(registry, request, options.logSource)
      case 'namespaces/finalize':
        if (info.verb !== 'update') throw methodNotAllowed()
        return finalize(registry, request)
      case 'serviceaccounts/token': {
        const { tokens } = options
        if (tokens === undefined) throw new StatusError('ServiceUnavailable', 'this API server issues no tokens')
        return onlyCreate(request, () => requestToken(registry, request, definitionOf('pods'), tokens))
      }
      case 'pods/ephemeralcontainers':
      case 'pods/resize':
        return status(request)
      default:
        throw pathNotFound()
    }
  }
}

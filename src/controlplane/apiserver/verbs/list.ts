import type { ResourceDefinition } from '../../../api/definition.ts'
import { forbidden, invalid, notSupported } from '../../../api/field-error.ts'
import { invalidError, StatusError } from '../../../api/status-error.ts'
import { CompactedError, StoreError } from '../../store/store.ts'
import type { CachedObject } from '../cache/cached-object.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import type { Registry } from '../registry.ts'
import { storageKey } from '../request-info.ts'
import { type Selection, selectionOf } from '../selection.ts'
import { storeStatus } from '../store-status.ts'

/** What errors on the query of a list or a watch are about. */
export const LIST_OPTIONS = { group: 'meta.k8s.io', kind: 'ListOptions' }

interface ContinueToken {
  readonly revision: bigint
  readonly after: string
}

function encodeToken({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: String(revision), start: after })).toString('base64url')
}

function decodeToken(text: string, prefix: string): ContinueToken {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (v === 'meta.k8s.io/v1' && /^\d+$/.test(rv) && typeof start === 'string' && start.startsWith(prefix))
      return { revision: BigInt(rv), after: start }
  } catch {
    // Falls through to the one answer for every bad token.
  }
  throw new StatusError('BadRequest', `continue key is not valid: ${JSON.stringify(text.slice(0, 100))}`)
}

/** A resourceVersion of a query as a number; undefined when it is not given. */
export function revisionParameter(query: URLSearchParams): bigint | undefined {
  const text = query.get('resourceVersion') ?? ''
  if (text === '') return undefined
  if (!/^\d{1,19}$/.test(text))
    throw invalidError(LIST_OPTIONS, '', [
      invalid('resourceVersion', text, `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`),
    ])
  return BigInt(text)
}

function limitParameter(query: URLSearchParams): number {
  const text = query.get('limit') ?? ''
  if (text === '') return Number.POSITIVE_INFINITY
  if (!/^-?\d{1,15}$/.test(text))
    throw new StatusError('BadRequest', `limit: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text) > 0 ? Number(text) : Number.POSITIVE_INFINITY
}

export interface Page {
  readonly items: readonly CachedObject[]
  readonly more: boolean
  readonly remaining: number
}

/** One page of the objects that are there now. */
function pageFromCache(
  registry: Registry,
  definition: ResourceDefinition,
  prefix: string,
  after: string | undefined,
  limit: number,
  selects: Selection,
): Page {
  const items: CachedObject[] = []
  const cache = registry.cacheOf(definition)
  for (const stored of cache.range(prefix, after)) {
    const object = registry.served(definition, stored)
    if (!selects(object.object)) continue
    if (items.length === limit) return { items, more: true, remaining: cache.count(prefix, items.at(-1)!.key) }
    items.push(object)
  }
  return { items, more: false, remaining: 0 }
}

/** One page as of an earlier revision, from the store's history. Throws Expired when that is gone. */
async function pageFromStore(
  registry: Registry,
  definition: ResourceDefinition,
  prefix: string,
  token: { revision: bigint; after: string | undefined },
  limit: number,
  selects: Selection,
): Promise<Page> {
  const items: CachedObject[] = []
  let { after } = token
  try {
    for (;;) {
      const page = await registry.store.list(prefix, {
        revision: token.revision,
        ...(after === undefined ? {} : { after }),
        ...(Number.isFinite(limit) ? { limit: limit - items.length } : {}),
      })
      for (const item of page.items) {
        const object = registry.served(definition, registry.cache.decodeStored(item))
        if (selects(object.object)) items.push(object)
      }
      if (!page.more || items.length >= limit) return { items, more: page.more, remaining: page.remaining }
      after = page.items.at(-1)!.key
    }
  } catch (error) {
    if (error instanceof CompactedError) throw expired(token)
    if (error instanceof StoreError && error.code === 'future-revision')
      throw new StatusError(
        'Timeout',
        `Too large resource version: ${token.revision}, current: ${registry.cache.revision}`,
        {
          causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
          retryAfterSeconds: 1,
        },
      )
    throw storeStatus(error)
  }
}

function expired({ after }: { readonly after: string | undefined }): StatusError {
  if (after === undefined) return new StatusError('Expired', 'The resourceVersion for the provided list is too old.')
  const why =
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'
  // Revision 0 in the token: go on behind the key, at whatever revision is newest.
  return new StatusError('Expired', why, undefined, 410, {
    continue: Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: '0', start: after })).toString('base64url'),
  })
}

/** Which combinations of a version and its match make sense, as kube-apiserver has them. */
function checkMatch(query: URLSearchParams, match: string, asked: bigint | undefined, continued: string): void {
  if (query.has('sendInitialEvents'))
    throw invalidError(LIST_OPTIONS, '', [forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list')])
  if (continued !== '' && asked !== undefined && asked !== 0n)
    throw new StatusError('BadRequest', 'specifying resource version is not allowed when using continue')
  if (match === '') return
  const path = 'resourceVersionMatch'
  const error =
    match !== 'Exact' && match !== 'NotOlderThan'
      ? notSupported(path, match, ['Exact', 'NotOlderThan', ''])
      : asked === undefined
        ? forbidden(path, 'resourceVersionMatch is forbidden unless resourceVersion is provided')
        : continued !== ''
          ? forbidden(path, 'resourceVersionMatch is forbidden when continue is provided')
          : match === 'Exact' && asked === 0n
            ? forbidden(path, 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"')
            : undefined
  if (error !== undefined) throw invalidError(LIST_OPTIONS, '', [error])
}

/** GET on a collection: all of it or page by page, fresh, or as fresh as `resourceVersion` asks. */
export async function list(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info, query } = request
  const prefix = info.namespace === '' ? `${definition.storagePrefix}/` : storageKey(definition, info.namespace, '')
  const selects = selectionOf(definition, query)
  const limit = limitParameter(query)
  const asked = revisionParameter(query)
  const match = query.get('resourceVersionMatch') ?? ''
  const continued = query.get('continue') ?? ''
  checkMatch(query, match, asked, continued)

  let page: Page
  let revision: bigint
  const token = continued === '' ? undefined : decodeToken(continued, prefix)
  if (token !== undefined && token.revision !== 0n) {
    revision = token.revision
    const unchanged = registry.cacheOf(definition).lastChange <= revision && registry.cache.revision >= revision
    page = unchanged
      ? pageFromCache(registry, definition, prefix, token.after, limit, selects)
      : await pageFromStore(registry, definition, prefix, token, limit, selects)
  } else if (match === 'Exact') {
    revision = asked!
    page = await pageFromStore(registry, definition, prefix, { revision, after: undefined }, limit, selects)
  } else {
    if (asked === undefined) await registry.cache.fresh()
    else if (asked > 0n) await registry.cache.reach(asked)
    revision = registry.cache.revision
    page = pageFromCache(registry, definition, prefix, token?.after, limit, selects)
  }
  const last = page.items.at(-1)
  const selected = query.has('labelSelector') || query.has('fieldSelector')
  return {
    kind: 'list',
    items: page.items,
    revision,
    continue: page.more && last !== undefined ? encodeToken({ revision, after: last.key }) : undefined,
    // With selectors the number of those to come is not known without looking at them all.
    remaining: page.more && !selected ? page.remaining : undefined,
  }
}

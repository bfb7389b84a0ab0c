import { StatusError } from '../../../api/status-error.ts'
import type { Authorizer } from '../authorizer.ts'
import { forbiddenError } from '../forbidden.ts'
import type { User } from '../user.ts'

type Headers = Readonly<Record<string, string | undefined>>

const EXTRA = 'impersonate-extra-'

interface Wanted {
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
}

function wanted(resource: string, name: string, more: Partial<Wanted> = {}): Wanted {
  return { group: '', resource, subresource: '', namespace: '', name, ...more }
}

function listOf(header: string | undefined): readonly string[] {
  return header === undefined ? [] : header.split(',').map((part) => part.trim())
}

/** A service account's groups, as its token would give them; undefined for any other name. */
function serviceAccountOf(name: string): { readonly namespace: string; readonly name: string } | undefined {
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name)
  return match === null ? undefined : { namespace: match[1]!, name: match[2]! }
}

function extraOf(headers: Headers): Readonly<Record<string, readonly string[]>> {
  const extra: Record<string, readonly string[]> = { __proto__: null } as never
  for (const header in headers) {
    if (!header.startsWith(EXTRA)) continue
    let key: string
    try {
      key = decodeURIComponent(header.slice(EXTRA.length)).toLowerCase()
    } catch {
      throw new StatusError('BadRequest', `the header ${header} does not name a key`)
    }
    extra[key] = listOf(headers[header])
  }
  return extra
}

/**
 * Who a request is to be carried out as: `Impersonate-User`, `-Uid`, `-Group` and `-Extra-…`, each of which the real
 * user must be allowed to `impersonate`. The same user when none is sent. Throws Forbidden, or BadRequest for headers
 * that name no user: they are never ignored, or a caller would act with more rights than he asked for.
 */
export function impersonate(user: User, headers: Headers, authorizer: Authorizer): User {
  const name = headers['impersonate-user']
  const uid = headers['impersonate-uid']
  const groups = listOf(headers['impersonate-group'])
  const extra = extraOf(headers)
  if (name === undefined || name === '') {
    if (uid === undefined && groups.length === 0 && Object.keys(extra).length === 0) return user
    throw new StatusError('BadRequest', 'requested impersonation without impersonating a user')
  }
  const account = serviceAccountOf(name)
  const questions = [
    account === undefined
      ? wanted('users', name)
      : wanted('serviceaccounts', account.name, { namespace: account.namespace }),
    ...groups.map((group) => wanted('groups', group)),
    ...(uid === undefined ? [] : [wanted('uids', uid, { group: 'authentication.k8s.io' })]),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((value) => wanted('userextras', value, { group: 'authentication.k8s.io', subresource: key })),
    ),
  ]
  for (const question of questions) {
    const attributes = { user, verb: 'impersonate', resource: { ...question, version: 'v1' } }
    const { allowed, reason } = authorizer.authorize(attributes)
    if (!allowed) throw forbiddenError(attributes, reason)
  }
  const implied =
    account === undefined
      ? []
      : ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`].filter(() => groups.length === 0)
  const isAnonymous = name === 'system:anonymous'
  return {
    name,
    ...(uid === undefined ? {} : { uid }),
    groups: [...new Set([...groups, ...implied, isAnonymous ? 'system:unauthenticated' : 'system:authenticated'])],
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  }
}

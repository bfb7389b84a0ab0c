import type { ResourceDefinition } from '../../api/definition.ts'
import { type FieldError, invalid } from '../../api/field-error.ts'
import { invalidError } from '../../api/status-error.ts'
import type { TokenReview } from '../../api/types/authentication-v1.gen.ts'
import type {
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReview,
} from '../../api/types/authorization-v1.gen.ts'
import type { Attributes, Authorizer } from './authorizer.ts'
import type { CoreRequest, CoreResponse } from './core-request.ts'
import { decodeBody } from './registry.ts'
import type { User } from './user.ts'
import { fieldValidation } from './write-options.ts'

/** A kind that is only ever created, and answered at once: nothing of it is stored. */
interface ReviewKind {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
}

const AUTHORIZATION = { group: 'authorization.k8s.io', version: 'v1' }
const AUTHENTICATION = { group: 'authentication.k8s.io', version: 'v1' }

const REVIEW_KINDS: readonly ReviewKind[] = [
  { ...AUTHORIZATION, resource: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview', namespaced: false },
  { ...AUTHORIZATION, resource: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview', namespaced: false },
  { ...AUTHORIZATION, resource: 'subjectaccessreviews', kind: 'SubjectAccessReview', namespaced: false },
  { ...AUTHORIZATION, resource: 'localsubjectaccessreviews', kind: 'LocalSubjectAccessReview', namespaced: true },
  { ...AUTHENTICATION, resource: 'selfsubjectreviews', kind: 'SelfSubjectReview', namespaced: false },
  { ...AUTHENTICATION, resource: 'tokenreviews', kind: 'TokenReview', namespaced: false },
]

/** The reviews as far as discovery and OpenAPI show them; no other part of a definition is ever asked for. */
export function reviewDefinitions(): readonly ResourceDefinition[] {
  return REVIEW_KINDS.map((kind) => ({
    ...kind,
    singular: kind.kind.toLowerCase(),
    listKind: `${kind.kind}List`,
    shortNames: [],
    categories: [],
    verbs: ['create'],
    schema: `io.k8s.api.${kind.group.split('.')[0]}.${kind.version}.${kind.kind}`,
    storagePrefix: '',
    nameKind: 'path-segment',
    selectableFields: {},
    columns: [],
    otherSubresources: [],
    defaults() {},
    prepareForCreate() {},
    prepareForUpdate() {},
    validate: () => [],
    validateUpdate: () => [],
  }))
}

export interface ReviewOptions {
  readonly authorizer: Authorizer
  /** The user a bearer token stands for. */
  readonly verifyToken?: (token: string, audiences?: readonly string[]) => Promise<User | undefined>
}

function attributesOf(
  user: User,
  resource: ResourceAttributes | undefined,
  path: NonResourceAttributes | undefined,
): Attributes {
  if (resource === undefined) return { user, verb: path?.verb ?? '', path: path?.path ?? '' }
  const {
    verb = '',
    group = '',
    version = '',
    resource: name = '',
    subresource = '',
    namespace = '',
    name: object = '',
  } = resource
  return { user, verb, resource: { group, version, resource: name, subresource, namespace, name: object } }
}

function userInfo(user: User): object {
  return {
    username: user.name,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  }
}

type AccessReview = SubjectAccessReview & { readonly spec?: { readonly namespace?: string } }

function accessStatus(
  definition: ResourceDefinition,
  given: AccessReview,
  request: CoreRequest,
  authorizer: Authorizer,
): object {
  const {
    resourceAttributes: resource,
    nonResourceAttributes: path,
    user: name = '',
    groups = [],
    extra,
    uid,
  } = given.spec ?? {}
  const errors: FieldError[] = []
  if (resource !== undefined && path !== undefined)
    errors.push(
      invalid('spec.nonResourceAttributes', path, 'cannot be specified in combination with resourceAttributes'),
    )
  if (resource === undefined && path === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    errors.push(invalid('spec.resourceAttributes', null, why))
  }
  const isSelf = definition.kind === 'SelfSubjectAccessReview'
  if (!isSelf && name === '' && groups.length === 0)
    errors.push(invalid('spec.user', name, 'at least one of user or group must be specified'))
  if (definition.namespaced && path !== undefined)
    errors.push(invalid('spec.nonResourceAttributes', path, 'disallowed on this kind of request'))
  if (definition.namespaced && resource !== undefined && (resource.namespace ?? '') !== request.info.namespace)
    errors.push(invalid('spec.resourceAttributes.namespace', resource.namespace ?? '', `must match metadata.namespace`))
  if (errors.length > 0) throw invalidError(definition, '', errors)
  const subject: User = isSelf
    ? request.user
    : { name, groups, ...(uid === undefined ? {} : { uid }), ...(extra === undefined ? {} : { extra }) }
  const { allowed, reason } = authorizer.authorize(attributesOf(subject, resource, path))
  return { allowed, ...(reason === '' ? {} : { reason }) }
}

/** Rules can be listed only for who may do everything: the authorizer answers questions, it holds no lists. */
function rulesStatus(user: User, namespace: string, authorizer: Authorizer): object {
  const resource = { group: '*', version: '*', resource: '*', subresource: '', namespace, name: '' }
  if (authorizer.authorize({ user, verb: '*', resource }).allowed)
    return {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false,
    }
  return {
    resourceRules: [],
    nonResourceRules: [],
    incomplete: true,
    evaluationError: 'the rules of this user cannot be listed; ask about single actions',
  }
}

async function tokenStatus({ spec }: TokenReview, verify: ReviewOptions['verifyToken']): Promise<object> {
  const { token = '', audiences } = spec ?? {}
  if (token === '')
    return { authenticated: false, user: {}, error: 'token is required for TokenReview in authentication' }
  const user = await verify?.(token, audiences)
  if (user === undefined) return { authenticated: false, user: {}, error: 'invalid bearer token' }
  return { authenticated: true, user: userInfo(user), ...(audiences === undefined ? {} : { audiences }) }
}

/** Answers a review: the body with its status filled in. Nothing is stored. */
export async function review(
  definition: ResourceDefinition,
  request: CoreRequest,
  options: ReviewOptions,
): Promise<CoreResponse> {
  const { user, query, info } = request
  const { draft, warnings } = decodeBody(definition, request.body, request.duplicates, fieldValidation(query))
  const { authorizer } = options
  const given = draft as AccessReview
  const status =
    definition.kind === 'SelfSubjectReview'
      ? { userInfo: userInfo(user) }
      : definition.kind === 'TokenReview'
        ? await tokenStatus(given as TokenReview, options.verifyToken)
        : definition.kind === 'SelfSubjectRulesReview'
          ? rulesStatus(user, given.spec?.namespace ?? '', authorizer)
          : accessStatus(definition, given, request, authorizer)
  const metadata = definition.namespaced ? { ...given.metadata, namespace: info.namespace } : given.metadata
  return { kind: 'value', status: 201, value: { ...given, metadata, status }, warnings }
}

import type { ResourceDefinition } from '../../api/definition.ts'
import { StatusError } from '../../api/status-error.ts'
import type { TokenReview } from '../../api/types/authentication-v1.gen.ts'
import type {
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReview,
} from '../../api/types/authorization-v1.gen.ts'
import type { Attributes, Authorizer } from './authorizer.ts'
import type { User } from './user.ts'

/** A kind that is only ever created, and answered at once: nothing of it is stored. */
export interface ReviewKind {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
}

const AUTHORIZATION = { group: 'authorization.k8s.io', version: 'v1' }
const AUTHENTICATION = { group: 'authentication.k8s.io', version: 'v1' }

export const REVIEW_KINDS: readonly ReviewKind[] = [
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
  readonly verifyToken: (token: string, audiences: readonly string[] | undefined) => Promise<User | undefined>
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

/** Answers a review: the body with its status filled in. */
export async function review(kind: ReviewKind, body: unknown, user: User, options: ReviewOptions): Promise<unknown> {
  const given = (body ?? {}) as SubjectAccessReview & { readonly spec?: { readonly namespace?: string } }
  const head = { kind: kind.kind, apiVersion: `${kind.group}/${kind.version}`, metadata: { creationTimestamp: null } }
  switch (kind.kind) {
    case 'SelfSubjectAccessReview':
    case 'SubjectAccessReview':
    case 'LocalSubjectAccessReview': {
      const { resourceAttributes, nonResourceAttributes, user: name = '', groups = [], extra, uid } = given.spec ?? {}
      if ((resourceAttributes === undefined) === (nonResourceAttributes === undefined)) {
        throw new StatusError(
          'Invalid',
          `${kind.kind}.${kind.group} "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified`,
        )
      }
      const subject: User =
        kind.kind === 'SelfSubjectAccessReview'
          ? user
          : { name, groups, ...(uid === undefined ? {} : { uid }), ...(extra === undefined ? {} : { extra }) }
      const { allowed, reason } = options.authorizer.authorize(
        attributesOf(subject, resourceAttributes, nonResourceAttributes),
      )
      return { ...head, spec: given.spec, status: { allowed, ...(reason === '' ? {} : { reason }) } }
    }
    case 'SelfSubjectRulesReview': {
      const all = options.authorizer.authorize({
        user,
        verb: '*',
        resource: {
          group: '*',
          version: '*',
          resource: '*',
          subresource: '',
          namespace: given.spec?.namespace ?? '',
          name: '',
        },
      })
      const status = all.allowed
        ? {
            resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
            incomplete: false,
          }
        : {
            resourceRules: [],
            nonResourceRules: [],
            incomplete: true,
            evaluationError: 'the rules of this user cannot be listed; ask about single actions',
          }
      return { ...head, spec: given.spec, status }
    }
    case 'SelfSubjectReview':
      return { ...head, status: { userInfo: userInfo(user) } }
    default: {
      const { token = '', audiences } = (body as TokenReview).spec ?? {}
      const known = await options.verifyToken(token, audiences)
      const status =
        known === undefined
          ? { authenticated: false, user: {}, error: 'invalid bearer token' }
          : { authenticated: true, user: userInfo(known), ...(audiences === undefined ? {} : { audiences }) }
      return { ...head, spec: { token, audiences }, status }
    }
  }
}

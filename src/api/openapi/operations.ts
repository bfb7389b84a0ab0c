import type { ResourceDefinition } from '../definition.ts'
import type { GroupVersionKind } from '../schema/schema-table.ts'
import { definitionOfKind } from './definition-of-kind.ts'
import { QUERY_PARAMETERS, type QueryParameter } from './query-parameters.ts'

export const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
] as const

const DELETE_OPTIONS = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'
const PATCH = 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch'
const STATUS = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status'

/** One operation on one path, before it is written down in either version of OpenAPI. */
export interface Operation {
  readonly path: string
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** `x-kubernetes-action` */
  readonly action: string
  readonly id: string
  readonly tag: string
  readonly kind: GroupVersionKind
  readonly pathParameters: readonly string[]
  readonly query: readonly QueryParameter[]
  /** Definition of the request's body. */
  readonly body: string | undefined
  readonly consumes: readonly string[]
  /** Definition of the answer; undefined for plain text. */
  readonly answer: string | undefined
  /** Statuses that carry the answer. */
  readonly success: readonly number[]
}

function pascal(text: string): string {
  return text
    .split(/[.\-_/]/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('')
}

interface Verb {
  readonly method: Operation['method']
  readonly action: string
  readonly word: string
  readonly query: readonly QueryParameter[]
  readonly success: readonly number[]
}

const VERBS = {
  get: { method: 'get', action: 'get', word: 'read', query: QUERY_PARAMETERS.get, success: [200] },
  list: { method: 'get', action: 'list', word: 'list', query: QUERY_PARAMETERS.list, success: [200] },
  create: { method: 'post', action: 'post', word: 'create', query: QUERY_PARAMETERS.write, success: [200, 201, 202] },
  update: { method: 'put', action: 'put', word: 'replace', query: QUERY_PARAMETERS.write, success: [200, 201] },
  patch: {
    method: 'patch',
    action: 'patch',
    word: 'patch',
    query: [...QUERY_PARAMETERS.write, { name: 'force', type: 'boolean' }],
    success: [200, 201],
  },
  delete: { method: 'delete', action: 'delete', word: 'delete', query: QUERY_PARAMETERS.delete, success: [200, 202] },
  deletecollection: {
    method: 'delete',
    action: 'deletecollection',
    word: 'delete',
    query: QUERY_PARAMETERS.deletecollection,
    success: [200],
  },
} as const satisfies Readonly<Record<string, Verb>>

type VerbName = keyof typeof VERBS

interface Target {
  readonly path: string
  readonly pathParameters: readonly string[]
  readonly tag: string
  /** `CoreV1` */
  readonly idGroup: string
  /** `NamespacedPodStatus` */
  readonly idSubject: string
  readonly kind: GroupVersionKind
  /** Definition of the kind that is read and written. */
  readonly schema: string | undefined
}

function operation(name: VerbName, target: Target, answer: string | undefined): Operation {
  const verb: Verb = VERBS[name]
  const removes = verb.method === 'delete'
  const body = removes ? DELETE_OPTIONS : name === 'patch' ? PATCH : verb.method === 'get' ? undefined : target.schema
  const collection = name === 'deletecollection' ? 'Collection' : ''
  return {
    path: target.path,
    method: verb.method,
    action: verb.action,
    id: `${verb.word}${target.idGroup}${collection}${target.idSubject}`,
    tag: target.tag,
    kind: target.kind,
    pathParameters: target.pathParameters,
    query: verb.query,
    body,
    consumes: name === 'patch' ? PATCH_TYPES : ['*/*'],
    answer,
    success: verb.success,
  }
}

/** Where a definition's group and version are served: `/api/v1`, `/apis/apps/v1`. */
export function groupVersionPath(of: { readonly group: string; readonly version: string }): string {
  return of.group === '' ? `/api/${of.version}` : `/apis/${of.group}/${of.version}`
}

function targetsOf(definition: ResourceDefinition): { readonly collection: Target; readonly item: Target } {
  const { group, version, kind, namespaced, resource, schema } = definition
  const groupWord = group === '' ? 'core' : group.replace(/\.k8s\.io$/, '')
  const path = `${groupVersionPath(definition)}${namespaced ? '/namespaces/{namespace}' : ''}/${resource}`
  const pathParameters = namespaced ? ['namespace'] : []
  const collection: Target = {
    path,
    pathParameters,
    tag: `${groupWord.replaceAll(/[.-]/g, '')}_${version}`,
    idGroup: pascal(`${groupWord}.${version}`),
    idSubject: `${namespaced ? 'Namespaced' : ''}${kind}`,
    kind: { group, version, kind },
    schema,
  }
  return { collection, item: { ...collection, path: `${path}/{name}`, pathParameters: ['name', ...pathParameters] } }
}

/** Subresources that take no object and give none: they join the client with a pod. */
const CONNECTING = new Set(['attach', 'exec', 'portforward'])

function subresourceOperations(definition: ResourceDefinition, item: Target): readonly Operation[] {
  const own = { group: definition.group, version: definition.version, kind: definition.kind }
  const views = [
    ...(definition.status === undefined ? [] : [{ name: 'status', kind: own }]),
    ...(definition.scale === undefined
      ? []
      : [{ name: 'scale', kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' } }]),
  ].map((view) => ({ ...view, verbs: ['get', 'update', 'patch'] }))
  const others = definition.otherSubresources.map((other) => ({
    name: other.name,
    verbs: other.verbs,
    kind: { group: other.group ?? own.group, version: other.version ?? own.version, kind: other.kind },
  }))
  return [...views, ...others].flatMap(({ name, kind, verbs }) => {
    const schema = definitionOfKind(kind)
    const target: Target = {
      ...item,
      path: `${item.path}/${name}`,
      idSubject: `${item.idSubject}${pascal(name)}`,
      kind,
      schema,
    }
    if (name === 'log')
      return [{ ...operation('get', { ...target, kind: own }, undefined), query: QUERY_PARAMETERS.log }]
    if (CONNECTING.has(name))
      return (['get', 'create'] as const).map((verb) => {
        const { method, ...rest } = operation(verb, target, undefined)
        const id = `connect${pascal(method)}${target.idGroup}${target.idSubject}`
        return { ...rest, method, id, action: 'connect', query: [], body: undefined }
      })
    return verbs
      .filter((verb): verb is VerbName => Object.hasOwn(VERBS, verb))
      .map((verb) => operation(verb, target, verb === 'delete' ? STATUS : schema))
  })
}

/** All operations that the API serves for a definition. */
export function operationsOf(definition: ResourceDefinition): readonly Operation[] {
  const { collection, item } = targetsOf(definition)
  const has = (verb: VerbName): boolean => definition.verbs.includes(verb)
  const list = definition.schema.replace(/[^.]+$/, definition.listKind)
  const result: Operation[] = []
  if (has('list')) result.push(operation('list', collection, list))
  if (has('create')) result.push(operation('create', collection, definition.schema))
  if (has('deletecollection')) result.push(operation('deletecollection', collection, STATUS))
  for (const verb of ['get', 'update', 'patch'] as const)
    if (has(verb)) result.push(operation(verb, item, definition.schema))
  if (has('delete')) result.push(operation('delete', item, STATUS))
  if (definition.namespaced && has('list')) {
    const everywhere = { ...collection, path: `${groupVersionPath(definition)}/${definition.resource}` }
    const subject = `${definition.kind}ForAllNamespaces`
    result.push(operation('list', { ...everywhere, pathParameters: [], idSubject: subject }, list))
  }
  return [...result, ...subresourceOperations(definition, item)]
}

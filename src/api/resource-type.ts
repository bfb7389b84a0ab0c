import type { KubeObject } from './object.ts'
import type { Deployment, ReplicaSet } from './types/apps-v1.gen.ts'
import type { TokenReview } from './types/authentication-v1.gen.ts'
import type { SubjectAccessReview } from './types/authorization-v1.gen.ts'
import type { HorizontalPodAutoscaler } from './types/autoscaling-v2.gen.ts'
import type { Lease } from './types/coordination-v1.gen.ts'
import type {
  ConfigMap,
  Endpoints,
  Event,
  LimitRange,
  Namespace,
  Node,
  Pod,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from './types/core-v1.gen.ts'
import type { EndpointSlice } from './types/discovery-v1.gen.ts'
import type { PodDisruptionBudget } from './types/policy-v1.gen.ts'

declare const object: unique symbol

/** A resource's address in the API, carrying the type of its objects for the typed client. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  readonly [object]?: T
}

function namespaced<T extends KubeObject>(group: string, resource: string, kind: string): ResourceType<T> {
  return { group, version: 'v1', resource, kind, namespaced: true }
}

function clusterScoped<T extends KubeObject>(group: string, resource: string, kind: string): ResourceType<T> {
  return { group, version: 'v1', resource, kind, namespaced: false }
}

export const PODS = namespaced<Pod>('', 'pods', 'Pod')
export const SERVICES = namespaced<Service>('', 'services', 'Service')
export const ENDPOINTS = namespaced<Endpoints>('', 'endpoints', 'Endpoints')
export const CONFIG_MAPS = namespaced<ConfigMap>('', 'configmaps', 'ConfigMap')
export const SECRETS = namespaced<Secret>('', 'secrets', 'Secret')
export const EVENTS = namespaced<Event>('', 'events', 'Event')
export const SERVICE_ACCOUNTS = namespaced<ServiceAccount>('', 'serviceaccounts', 'ServiceAccount')
export const NAMESPACES = clusterScoped<Namespace>('', 'namespaces', 'Namespace')
export const LIMIT_RANGES = namespaced<LimitRange>('', 'limitranges', 'LimitRange')
export const RESOURCE_QUOTAS = namespaced<ResourceQuota>('', 'resourcequotas', 'ResourceQuota')
export const NODES = clusterScoped<Node>('', 'nodes', 'Node')
export const DEPLOYMENTS = namespaced<Deployment>('apps', 'deployments', 'Deployment')
export const REPLICA_SETS = namespaced<ReplicaSet>('apps', 'replicasets', 'ReplicaSet')
export const ENDPOINT_SLICES = namespaced<EndpointSlice>('discovery.k8s.io', 'endpointslices', 'EndpointSlice')
export const HORIZONTAL_POD_AUTOSCALERS: ResourceType<HorizontalPodAutoscaler> = {
  group: 'autoscaling',
  version: 'v2',
  resource: 'horizontalpodautoscalers',
  kind: 'HorizontalPodAutoscaler',
  namespaced: true,
}
export const TOKEN_REVIEWS = clusterScoped<TokenReview>('authentication.k8s.io', 'tokenreviews', 'TokenReview')
export const SUBJECT_ACCESS_REVIEWS = clusterScoped<SubjectAccessReview>(
  'authorization.k8s.io',
  'subjectaccessreviews',
  'SubjectAccessReview',
)
export const LEASES = namespaced<Lease>('coordination.k8s.io', 'leases', 'Lease')
export const POD_DISRUPTION_BUDGETS = namespaced<PodDisruptionBudget>(
  'policy',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
)

/** `v1` or `group/version`. */
export function apiVersionOf(type: Pick<ResourceType, 'group' | 'version'>): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}

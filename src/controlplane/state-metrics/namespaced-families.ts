import { CONFIG_MAPS, LEASES, LIMIT_RANGES, NAMESPACES, RESOURCE_QUOTAS, SECRETS } from '../../api/resource-type.ts'
import type { Lease } from '../../api/types/coordination-v1.gen.ts'
import type { ConfigMap, LimitRange, Namespace, ResourceQuota, Secret } from '../../api/types/core-v1.gen.ts'
import { labelsFamily } from './label-labels.ts'
import { resourceAmounts } from './resource-amount.ts'
import { type Labels, numberOf, type StateKind, secondsOf } from './state-family.ts'

function ofNamespace({ metadata }: Namespace): Labels {
  return { namespace: metadata?.name }
}

export const NAMESPACE_STATE: StateKind<Namespace> = {
  type: NAMESPACES,
  families: [
    numberOf('kube_namespace_created', 'Unix creation timestamp', ofNamespace, ({ metadata }) =>
      secondsOf(metadata?.creationTimestamp),
    ),
    {
      name: 'kube_namespace_status_phase',
      type: 'gauge',
      help: 'kubernetes namespace status phase.',
      write(namespace, emit) {
        const now = namespace.status?.phase ?? 'Active'
        for (const phase of ['Active', 'Terminating']) emit({ ...ofNamespace(namespace), phase }, phase === now ? 1 : 0)
      },
    },
    labelsFamily('namespace', ofNamespace),
  ],
}

export const CONFIG_MAP_STATE: StateKind<ConfigMap> = {
  type: CONFIG_MAPS,
  families: [
    numberOf(
      'kube_configmap_info',
      'Information about configmap.',
      ({ metadata }) => ({ namespace: metadata?.namespace, configmap: metadata?.name }),
      () => 1,
    ),
    numberOf(
      'kube_configmap_created',
      'Unix creation timestamp',
      ({ metadata }) => ({ namespace: metadata?.namespace, configmap: metadata?.name }),
      ({ metadata }) => secondsOf(metadata?.creationTimestamp),
    ),
  ],
}

function ofSecret({ metadata }: Secret): Labels {
  return { namespace: metadata?.namespace, secret: metadata?.name }
}

/** That there is one and of which type; nothing of what is in it. */
export const SECRET_STATE: StateKind<Secret> = {
  type: SECRETS,
  families: [
    numberOf('kube_secret_info', 'Information about secret.', ofSecret, () => 1),
    numberOf(
      'kube_secret_type',
      'Type about secret.',
      (secret) => ({ ...ofSecret(secret), type: secret.type }),
      () => 1,
    ),
    numberOf('kube_secret_created', 'Unix creation timestamp', ofSecret, ({ metadata }) =>
      secondsOf(metadata?.creationTimestamp),
    ),
  ],
}

export const LEASE_STATE: StateKind<Lease> = {
  type: LEASES,
  families: [
    numberOf(
      'kube_lease_owner',
      "Information about the Lease's owner.",
      ({ metadata, spec }) => ({
        namespace: metadata?.namespace,
        lease: metadata?.name,
        lease_holder: spec?.holderIdentity,
      }),
      () => 1,
    ),
    numberOf(
      'kube_lease_renew_time',
      'Kube lease renew time.',
      ({ metadata }) => ({ namespace: metadata?.namespace, lease: metadata?.name }),
      ({ spec }) => secondsOf(spec?.renewTime),
    ),
  ],
}

export const RESOURCE_QUOTA_STATE: StateKind<ResourceQuota> = {
  type: RESOURCE_QUOTAS,
  families: [
    {
      name: 'kube_resourcequota',
      type: 'gauge',
      help: 'Information about resource quota.',
      write({ metadata, spec, status }, emit) {
        const labels = { namespace: metadata?.namespace, resourcequota: metadata?.name }
        for (const [type, list] of [
          ['hard', status?.hard ?? spec?.hard],
          ['used', status?.used],
        ] as const)
          for (const [resource, quantity] of Object.entries(list ?? {})) {
            // By its full name, such as requests.cpu, since that is what quotas are written in.
            const isCpu = resource === 'cpu' || resource.endsWith('.cpu')
            const amount = resourceAmounts({ [isCpu ? 'cpu' : 'memory']: quantity })[0]
            if (amount !== undefined) emit({ ...labels, resource, type }, amount.value)
          }
      },
    },
  ],
}

const LIMITS = ['min', 'max', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

export const LIMIT_RANGE_STATE: StateKind<LimitRange> = {
  type: LIMIT_RANGES,
  families: [
    {
      name: 'kube_limitrange',
      type: 'gauge',
      help: 'Information about limit range.',
      mayRepeat: true,
      write({ metadata, spec }, emit) {
        const labels = { namespace: metadata?.namespace, limitrange: metadata?.name }
        for (const limit of spec?.limits ?? [])
          for (const constraint of LIMITS)
            for (const [resource, quantity] of Object.entries(limit[constraint] ?? {})) {
              // Ratios may be fractions of any resource.
              const isFraction = resource === 'cpu' || constraint === 'maxLimitRequestRatio'
              const amount = resourceAmounts({ [isFraction ? 'cpu' : 'memory']: quantity })[0]
              if (amount !== undefined) emit({ ...labels, resource, type: limit.type, constraint }, amount.value)
            }
      },
    },
  ],
}

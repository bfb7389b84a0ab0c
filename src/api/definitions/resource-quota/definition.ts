import type { ResourceDefinition } from '../../definition.ts'
import { type FieldError, invalid } from '../../field-error.ts'
import type { Draft } from '../../object.ts'
import type { ResourceQuota } from '../../types/core-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from '../name-and-age-columns.ts'
import { validateQuotaAmount, validateQuotaName } from '../quota-resource-names.ts'
import { semanticEqual } from '../semantic-equal.ts'
import { ALL_VERBS } from '../verbs.ts'
import { validateScopes } from './scope-validation.ts'

function validateAmounts(list: Readonly<Record<string, string>> | undefined, path: string): readonly FieldError[] {
  return Object.entries(list ?? {}).flatMap(([name, text]) => [
    ...validateQuotaName(name, `${path}[${name}]`),
    ...validateQuotaAmount(name, text, `${path}[${name}]`),
  ])
}

function validateUpdate(next: ResourceQuota, previous: ResourceQuota): readonly FieldError[] {
  const [after, before] = [next, previous].map(({ spec }) => [...new Set(spec?.scopes)].sort())
  return semanticEqual(after, before) ? [] : [invalid('spec.scopes', next.spec?.scopes ?? [], 'field is immutable')]
}

/** `cpu: 1/2, pods: 3/10`: what is used of what there may be, of limits or of all else. */
function usageText({ status }: ResourceQuota, ofLimits: boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => name.startsWith('limits.') === ofLimits)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => {
      const used = status?.used ?? {}
      return `${name}: ${Object.hasOwn(used, name) ? used[name] : '0'}/${hard}`
    })
    .join(', ')
}

/** How much of what a namespace may hold; what it holds already is counted at admission and by a controller. */
export const RESOURCE_QUOTA: ResourceDefinition<ResourceQuota> = {
  group: '',
  version: 'v1',
  resource: 'resourcequotas',
  singular: 'resourcequota',
  kind: 'ResourceQuota',
  listKind: 'ResourceQuotaList',
  namespaced: true,
  shortNames: ['quota'],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.ResourceQuota',
  storagePrefix: '/registry/resourcequotas',
  nameKind: 'subdomain',
  defaults(draft) {
    draft.spec ??= {}
    draft.status ??= {}
  },
  prepareForCreate(draft) {
    draft.status = {}
  },
  prepareForUpdate(draft, previous) {
    draft.status = previous.status as Draft<ResourceQuota>['status']
  },
  validate: ({ spec = {} }) => [...validateAmounts(spec.hard, 'spec.hard'), ...validateScopes(spec)],
  validateUpdate,
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<ResourceQuota>['spec']
    },
    validateUpdate: ({ status }) => [
      ...validateAmounts(status?.hard, 'status.hard'),
      ...validateAmounts(status?.used, 'status.used'),
    ],
  },
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    {
      name: 'Request',
      type: 'string',
      description: 'Used and allowed, of everything but limits.',
      cell: (quota) => usageText(quota, false),
    },
    {
      name: 'Limit',
      type: 'string',
      description: 'Used and allowed, of limits.',
      cell: (quota) => usageText(quota, true),
    },
    AGE_COLUMN,
  ],
  otherSubresources: [],
}

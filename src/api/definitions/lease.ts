import type { ResourceDefinition } from '../definition.ts'
import { type FieldError, forbidden, invalid } from '../field-error.ts'
import type { Lease } from '../types/coordination-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from './name-and-age-columns.ts'
import { nonNegative } from './number-rules.ts'
import { ALL_VERBS } from './verbs.ts'

function validateLease({ spec = {} }: Lease): readonly FieldError[] {
  const errors: FieldError[] = []
  const { leaseDurationSeconds: duration, strategy, preferredHolder } = spec
  if (duration !== undefined && duration <= 0)
    errors.push(invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0'))
  errors.push(...nonNegative(spec.leaseTransitions, 'spec.leaseTransitions'))
  if (preferredHolder && !strategy)
    errors.push(forbidden('spec.preferredHolder', 'may only be specified when `strategy` is defined'))
  return errors
}

export const LEASE: ResourceDefinition<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  resource: 'leases',
  singular: 'lease',
  kind: 'Lease',
  listKind: 'LeaseList',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.coordination.v1.Lease',
  storagePrefix: '/registry/leases',
  nameKind: 'subdomain',
  allowCreateOnUpdate: true,
  requireResourceVersionOnUpdate: true,
  defaults() {},
  prepareForCreate() {},
  prepareForUpdate() {},
  validate: validateLease,
  validateUpdate: () => [],
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    {
      name: 'Holder',
      type: 'string',
      description: 'Who holds the lease.',
      cell: (lease) => lease.spec?.holderIdentity ?? '',
    },
    AGE_COLUMN,
  ],
  otherSubresources: [],
}

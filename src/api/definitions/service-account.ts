import type { ResourceDefinition } from '../definition.ts'
import type { Draft } from '../object.ts'
import type { ServiceAccount } from '../types/core-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from './name-and-age-columns.ts'
import { ALL_VERBS } from './verbs.ts'

/** Of a reference to a Secret only the name counts. */
function keepSecretNames(draft: Draft<ServiceAccount>): void {
  if (draft.secrets !== undefined) draft.secrets = draft.secrets.map(({ name }) => (name === undefined ? {} : { name }))
}

export const SERVICE_ACCOUNT: ResourceDefinition<ServiceAccount> = {
  group: '',
  version: 'v1',
  resource: 'serviceaccounts',
  singular: 'serviceaccount',
  kind: 'ServiceAccount',
  listKind: 'ServiceAccountList',
  namespaced: true,
  shortNames: ['sa'],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.ServiceAccount',
  storagePrefix: '/registry/serviceaccounts',
  nameKind: 'subdomain',
  defaults() {},
  prepareForCreate: keepSecretNames,
  prepareForUpdate: keepSecretNames,
  validate: () => [],
  validateUpdate: () => [],
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    {
      name: 'Secrets',
      type: 'string',
      description: 'How many Secrets its pods may use.',
      cell: (account) => account.secrets?.length ?? 0,
    },
    AGE_COLUMN,
  ],
  otherSubresources: [
    { name: 'token', kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] },
  ],
}

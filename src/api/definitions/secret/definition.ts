import type { ResourceDefinition } from '../../definition.ts'
import type { Draft } from '../../object.ts'
import type { Secret } from '../../types/core-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from '../name-and-age-columns.ts'
import { ALL_VERBS } from '../verbs.ts'
import { validateSecret, validateSecretUpdate } from './validation.ts'

/** `stringData` is for writing only: it goes into `data`, over what stands there. */
function setDefaults(draft: Draft<Secret>): void {
  if (!draft.type) draft.type = 'Opaque'
  if (draft.stringData === undefined) return
  const written = Object.entries(draft.stringData).map(([key, text]) => [key, Buffer.from(text).toString('base64')])
  draft.data = Object.fromEntries([...Object.entries(draft.data ?? {}), ...written]) as Record<string, string>
  delete draft.stringData
}

export const SECRET: ResourceDefinition<Secret> = {
  group: '',
  version: 'v1',
  resource: 'secrets',
  singular: 'secret',
  kind: 'Secret',
  listKind: 'SecretList',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.Secret',
  storagePrefix: '/registry/secrets',
  nameKind: 'subdomain',
  defaults: setDefaults,
  prepareForCreate() {},
  prepareForUpdate() {},
  validate: validateSecret,
  validateUpdate: validateSecretUpdate,
  selectableFields: { type: (secret) => secret.type ?? '' },
  columns: [
    NAME_COLUMN,
    {
      name: 'Type',
      type: 'string',
      description: 'What the Secret is for; some types require certain keys.',
      cell: (secret) => secret.type ?? '',
    },
    {
      name: 'Data',
      type: 'string',
      description: 'How many keys it holds.',
      cell: (secret) => Object.keys(secret.data ?? {}).length,
    },
    AGE_COLUMN,
  ],
  otherSubresources: [],
}

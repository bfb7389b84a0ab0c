import type { ResourceDefinition } from '../../definition.ts'
import type { Draft } from '../../object.ts'
import type { LimitRange, LimitRangeItem } from '../../types/core-v1.gen.ts'
import { NAME_COLUMN } from '../name-and-age-columns.ts'
import { ALL_VERBS } from '../verbs.ts'
import { validateLimitRange } from './validation.ts'

type Amounts = Readonly<Record<string, string>> | undefined

/** Of several lists, for each resource the amount of the first that has one. */
function firstOf(...lists: readonly Amounts[]): Record<string, string> {
  return Object.assign({}, ...[...lists].reverse())
}

/** What is left out of a container's defaults follows from what is there: limit from max, request from limit or min. */
function setDefaults(item: Draft<LimitRangeItem>): void {
  if (item.type !== 'Container') return
  const limits = firstOf(item.default, item.max)
  const requests = firstOf(item.defaultRequest, limits, item.min)
  if (Object.keys(limits).length > 0) item.default = limits
  if (Object.keys(requests).length > 0) item.defaultRequest = requests
}

/** What containers and pods of a namespace ask for by default, at least and at most. */
export const LIMIT_RANGE: ResourceDefinition<LimitRange> = {
  group: '',
  version: 'v1',
  resource: 'limitranges',
  singular: 'limitrange',
  kind: 'LimitRange',
  listKind: 'LimitRangeList',
  namespaced: true,
  shortNames: ['limits'],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.LimitRange',
  storagePrefix: '/registry/limitranges',
  nameKind: 'subdomain',
  allowCreateOnUpdate: true,
  defaults(draft) {
    draft.spec ??= { limits: [] }
    draft.spec.limits ??= []
    for (const item of draft.spec.limits) setDefaults(item)
  },
  prepareForCreate() {},
  prepareForUpdate() {},
  validate: validateLimitRange,
  validateUpdate: () => [],
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    {
      name: 'Created At',
      type: 'date',
      description: 'When the object was created.',
      cell: ({ metadata }) => metadata?.creationTimestamp ?? '',
    },
  ],
  otherSubresources: [],
}

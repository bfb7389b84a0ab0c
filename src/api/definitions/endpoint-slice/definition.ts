import type { ResourceDefinition } from '../../definition.ts'
import type { Draft } from '../../object.ts'
import type { EndpointSlice } from '../../types/discovery-v1.gen.ts'
import { firstGeneration, nextGeneration } from '../generation.ts'
import { AGE_COLUMN, NAME_COLUMN } from '../name-and-age-columns.ts'
import { semanticEqual } from '../semantic-equal.ts'
import { ALL_VERBS } from '../verbs.ts'
import { validateEndpointSlice, validateEndpointSliceUpdate } from './validation.ts'

const SHOWN_MAX = 3

function setDefaults(draft: Draft<EndpointSlice>): void {
  for (const port of draft.ports ?? []) {
    port.name ??= ''
    port.protocol ??= 'TCP'
  }
  for (const endpoint of draft.endpoints ?? []) endpoint.conditions ??= {}
}

/** The first three, and how many more there are. */
function shown(all: readonly string[]): string {
  if (all.length === 0) return '<unset>'
  const first = all.slice(0, SHOWN_MAX).join(',')
  return all.length > SHOWN_MAX ? `${first} + ${all.length - SHOWN_MAX} more...` : first
}

/** What a new generation is counted by: all but the metadata, of which only the labels matter. */
function contentOf({ addressType, endpoints, ports, metadata }: EndpointSlice | Draft<EndpointSlice>): unknown {
  return [addressType, endpoints, ports, metadata?.labels ?? {}]
}

export const ENDPOINT_SLICE: ResourceDefinition<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  resource: 'endpointslices',
  singular: 'endpointslice',
  kind: 'EndpointSlice',
  listKind: 'EndpointSliceList',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.discovery.v1.EndpointSlice',
  storagePrefix: '/registry/endpointslices',
  nameKind: 'subdomain',
  defaults: setDefaults,
  prepareForCreate: firstGeneration,
  prepareForUpdate(draft, previous) {
    nextGeneration(draft, previous, !semanticEqual(contentOf(draft), contentOf(previous)))
  },
  validate: validateEndpointSlice,
  validateUpdate: validateEndpointSliceUpdate,
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    {
      name: 'AddressType',
      type: 'string',
      description: 'What kind of addresses it holds.',
      cell: (slice) => slice.addressType ?? '',
    },
    {
      name: 'Ports',
      type: 'string',
      description: 'Ports of every endpoint in it.',
      cell: (slice) =>
        shown((slice.ports ?? []).map(({ port, name }) => (port === undefined ? name || '*' : String(port)))),
    },
    {
      name: 'Endpoints',
      type: 'string',
      description: 'Addresses in it.',
      cell: (slice) => shown((slice.endpoints ?? []).flatMap(({ addresses = [] }) => addresses)),
    },
    AGE_COLUMN,
  ],
  otherSubresources: [],
}

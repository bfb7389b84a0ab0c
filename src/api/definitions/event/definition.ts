import type { ResourceDefinition, TableColumn } from '../../definition.ts'
import type { KubeObject } from '../../object.ts'
import type { Event as CoreEvent } from '../../types/core-v1.gen.ts'
import type { Event } from '../../types/events-v1.gen.ts'
import { ALL_VERBS } from '../verbs.ts'
import { fromCoreEvent, toCoreEvent } from './conversion.ts'
import { CORE_EVENT_COLUMNS } from './core-columns.ts'
import { eventFields } from './core-definition.ts'
import { validateEvent, validateEventUpdate } from './validation.ts'

const columns = CORE_EVENT_COLUMNS.map(
  (column): TableColumn<Event> => ({
    ...column,
    cell: (event, nowMs) => column.cell(toCoreEvent(event), nowMs),
  }),
)

const selectableFields = Object.fromEntries(
  Object.entries(eventFields('regarding', 'reportingController')).map(([path, read]) => [
    path,
    (event: Event) => read(toCoreEvent(event)),
  ]),
)

/** Events as events.k8s.io shows them: the same objects as in the core group. */
export const EVENT: ResourceDefinition<Event> = {
  group: 'events.k8s.io',
  version: 'v1',
  resource: 'events',
  singular: 'event',
  kind: 'Event',
  listKind: 'EventList',
  namespaced: true,
  shortNames: ['ev'],
  categories: [],
  verbs: ALL_VERBS,
  storagePrefix: '/registry/events',
  nameKind: 'subdomain',
  allowCreateOnUpdate: true,
  schema: 'io.k8s.api.events.v1.Event',
  storage: {
    definition: { group: '', version: 'v1', resource: 'events' },
    toStorage: toCoreEvent,
    fromStorage: (object: KubeObject) => fromCoreEvent(object as CoreEvent),
  },
  defaults() {},
  prepareForCreate() {},
  prepareForUpdate() {},
  validate: validateEvent,
  validateUpdate: validateEventUpdate,
  selectableFields,
  columns,
  otherSubresources: [],
}

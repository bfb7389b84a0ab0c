import type { ResourceDefinition } from '../../definition.ts'
import type { Event } from '../../types/core-v1.gen.ts'
import { ALL_VERBS } from '../verbs.ts'
import { CORE_EVENT_COLUMNS } from './core-columns.ts'
import { validateCoreEvent } from './core-validation.ts'

/** The fields of an event about its object that selectors may name. */
const OBJECT_FIELDS = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const

/** Selectable fields of events, the object's under the name that the version gives it. */
export function eventFields(
  objectField: string,
  reporterField: string,
): Readonly<Record<string, (event: Event) => string>> {
  const about = OBJECT_FIELDS.map((field) => [
    `${objectField}.${field}`,
    (event: Event) => event.involvedObject?.[field] ?? '',
  ])
  return {
    ...(Object.fromEntries(about) as Record<string, (event: Event) => string>),
    reason: (event) => event.reason ?? '',
    [reporterField]: (event) => event.reportingComponent ?? '',
    source: (event) => event.source?.component || (event.reportingComponent ?? ''),
    type: (event) => event.type ?? '',
  }
}

export const CORE_EVENT: ResourceDefinition<Event> = {
  group: '',
  version: 'v1',
  resource: 'events',
  singular: 'event',
  kind: 'Event',
  listKind: 'EventList',
  namespaced: true,
  shortNames: ['ev'],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.Event',
  storagePrefix: '/registry/events',
  nameKind: 'subdomain',
  allowCreateOnUpdate: true,
  defaults() {},
  prepareForCreate() {},
  prepareForUpdate() {},
  validate: validateCoreEvent,
  validateUpdate: () => [],
  selectableFields: eventFields('involvedObject', 'reportingComponent'),
  columns: CORE_EVENT_COLUMNS,
  otherSubresources: [],
}

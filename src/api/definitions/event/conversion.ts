import type { Event as CoreEvent } from '../../types/core-v1.gen.ts'
import type { Event } from '../../types/events-v1.gen.ts'

/** Leaves out what is undefined, so that a round trip adds no fields. */
function compact<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

/** Both groups show the same events; the core form is what is stored. */
export function toCoreEvent(event: Event): CoreEvent {
  return compact<CoreEvent>({
    kind: 'Event',
    apiVersion: 'v1',
    metadata: event.metadata ?? {},
    involvedObject: event.regarding ?? {},
    related: event.related,
    eventTime: event.eventTime,
    reason: event.reason,
    action: event.action,
    message: event.note,
    type: event.type,
    series: event.series,
    reportingComponent: event.reportingController,
    reportingInstance: event.reportingInstance,
    source: event.deprecatedSource,
    firstTimestamp: event.deprecatedFirstTimestamp,
    lastTimestamp: event.deprecatedLastTimestamp,
    count: event.deprecatedCount,
  })
}

export function fromCoreEvent(event: CoreEvent): Event {
  return compact<Event>({
    kind: 'Event',
    apiVersion: 'events.k8s.io/v1',
    metadata: event.metadata,
    regarding: event.involvedObject,
    related: event.related,
    eventTime: event.eventTime as string,
    reason: event.reason,
    action: event.action,
    note: event.message,
    type: event.type,
    series: event.series as Event['series'],
    reportingController: event.reportingComponent,
    reportingInstance: event.reportingInstance,
    deprecatedSource: event.source,
    deprecatedFirstTimestamp: event.firstTimestamp,
    deprecatedLastTimestamp: event.lastTimestamp,
    deprecatedCount: event.count,
  })
}

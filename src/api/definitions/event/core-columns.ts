import type { TableColumn } from '../../definition.ts'
import { age } from '../../human-duration.ts'
import type { Event } from '../../types/core-v1.gen.ts'

function firstSeen(event: Event, nowMs: number): string {
  return age(event.firstTimestamp ?? event.eventTime, nowMs)
}

function lastSeen(event: Event, nowMs: number): string {
  if (event.series !== undefined) return age(event.series.lastObservedTime, nowMs)
  return event.lastTimestamp === undefined ? firstSeen(event, nowMs) : age(event.lastTimestamp, nowMs)
}

function objectOf({ involvedObject: about }: Event): string {
  const kind = (about?.kind ?? '').toLowerCase()
  return about?.name ? `${kind}/${about.name}` : kind
}

function sourceOf({ source, reportingComponent, reportingInstance }: Event): string {
  const parts = [source?.component || reportingComponent || '', source?.host || reportingInstance || '']
  return parts[1] === '' ? parts[0]! : parts.join(', ')
}

export const CORE_EVENT_COLUMNS: readonly TableColumn<Event>[] = [
  { name: 'Last Seen', type: 'string', description: 'Time since it was last seen.', cell: lastSeen },
  { name: 'Type', type: 'string', description: 'Normal or Warning.', cell: (event) => event.type ?? '' },
  { name: 'Reason', type: 'string', description: 'Why it happened, in one word.', cell: (event) => event.reason ?? '' },
  { name: 'Object', type: 'string', description: 'What it is about.', cell: objectOf },
  {
    name: 'Subobject',
    type: 'string',
    priority: 1,
    description: 'Which part of the object it is about.',
    cell: (event) => event.involvedObject?.fieldPath ?? '',
  },
  { name: 'Source', type: 'string', priority: 1, description: 'Who reports it.', cell: sourceOf },
  { name: 'Message', type: 'string', description: 'What happened.', cell: (event) => (event.message ?? '').trim() },
  { name: 'First Seen', type: 'string', priority: 1, description: 'Time since it was first seen.', cell: firstSeen },
  {
    name: 'Count',
    type: 'string',
    priority: 1,
    description: 'How often it was seen.',
    cell: (event) => (event.series === undefined ? event.count || 1 : (event.series.count ?? 0)),
  },
  {
    name: 'Name',
    type: 'string',
    format: 'name',
    priority: 1,
    description: 'The name of the event.',
    cell: (event) => event.metadata?.name ?? '',
  },
]

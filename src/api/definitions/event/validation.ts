import { type FieldError, invalid, required } from '../../field-error.ts'
import { qualifiedNameErrors } from '../../names.ts'
import type { Event } from '../../types/events-v1.gen.ts'
import { immutableField } from '../immutable-field.ts'
import { validateInvolvedNamespace } from './core-validation.ts'

const SHORT_MAX = 128
const NOTE_BYTES_MAX = 1_024

function shortText(value: string | undefined, path: string): readonly FieldError[] {
  if (!value) return [required(path)]
  return value.length > SHORT_MAX ? [invalid(path, '', `can have at most ${SHORT_MAX} characters`)] : []
}

/**
 * Findings on an event of the newer group. Those that carry no `eventTime` were written through the older one, whose
 * rules are fewer.
 */
export function validateEvent(event: Event): readonly FieldError[] {
  const errors = [...validateInvolvedNamespace(event.metadata?.namespace, event.regarding?.namespace, 'regarding')]
  if (event.eventTime === undefined) {
    if (event.deprecatedFirstTimestamp === undefined) errors.push(required('eventTime'))
    return errors
  }
  if (!event.reportingController) errors.push(required('reportingController'))
  else
    for (const text of qualifiedNameErrors(event.reportingController))
      errors.push(invalid('reportingController', event.reportingController, text))
  errors.push(
    ...shortText(event.reportingInstance, 'reportingInstance'),
    ...shortText(event.action, 'action'),
    ...shortText(event.reason, 'reason'),
  )
  if (Buffer.byteLength(event.note ?? '') > NOTE_BYTES_MAX)
    errors.push(invalid('note', '', `can have at most ${NOTE_BYTES_MAX} bytes`))
  if (event.type !== 'Normal' && event.type !== 'Warning')
    errors.push(invalid('type', '', `has invalid value: ${event.type ?? ''}`))
  return errors
}

const FIXED = ['eventTime', 'regarding', 'related', 'reason', 'action', 'note', 'type'] as const

/** What happened stays as it was told; a series may go on. */
export function validateEventUpdate(next: Event, previous: Event): readonly FieldError[] {
  if (previous.eventTime === undefined) return []
  return [
    ...FIXED.flatMap((field) => immutableField(next[field], previous[field], field)),
    ...immutableField(next.reportingController, previous.reportingController, 'reportingController'),
    ...immutableField(next.reportingInstance, previous.reportingInstance, 'reportingInstance'),
  ]
}

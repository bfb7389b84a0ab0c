import { type FieldError, invalid } from '../field-error.ts'
import { nonNegative } from './number-rules.ts'

interface Counts {
  readonly replicas?: number
  readonly readyReplicas?: number
  readonly availableReplicas?: number
  readonly unavailableReplicas?: number
  readonly updatedReplicas?: number
  readonly fullyLabeledReplicas?: number
  readonly observedGeneration?: number
  readonly collisionCount?: number
}

const FIELDS = [
  'replicas',
  'updatedReplicas',
  'fullyLabeledReplicas',
  'readyReplicas',
  'availableReplicas',
  'unavailableReplicas',
  'observedGeneration',
  'collisionCount',
] as const

/** Findings on a status' counts: none below zero, no part greater than its whole. */
export function validateReplicaCounts(status: Counts | undefined): readonly FieldError[] {
  const counts = status ?? {}
  const errors = FIELDS.flatMap((field) => nonNegative(counts[field], `status.${field}`))
  const replicas = counts.replicas ?? 0
  for (const field of ['updatedReplicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const) {
    const value = counts[field] ?? 0
    if (value > replicas) errors.push(invalid(`status.${field}`, value, 'cannot be greater than status.replicas'))
  }
  const available = counts.availableReplicas ?? 0
  if (available > (counts.readyReplicas ?? 0))
    errors.push(invalid('status.availableReplicas', available, 'cannot be greater than readyReplicas'))
  return errors
}

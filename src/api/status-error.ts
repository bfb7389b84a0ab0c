import { type FieldError, fieldErrorBody } from './field-error.ts'
import type { Status } from './types/meta-v1.gen.ts'

/** Kubernetes' machine-readable reasons, each with the HTTP code it travels under. */
const CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
  ServerTimeout: 500,
  InsufficientStorage: 507,
} as const

export type StatusReason = keyof typeof CODES

/** An operating error of the API: what the edge sends as a `Status` object, and what the client throws. */
export class StatusError extends Error {
  readonly reason: StatusReason
  readonly code: number
  readonly details: Status['details'] | undefined
  readonly metadata: Status['metadata']

  constructor(
    reason: StatusReason,
    message: string,
    details?: Status['details'],
    code?: number,
    metadata: Status['metadata'] = {},
  ) {
    super(message)
    this.name = 'StatusError'
    this.reason = reason
    this.code = code ?? CODES[reason]
    this.details = details
    this.metadata = metadata
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.metadata,
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    }
  }
}

interface ResourceName {
  readonly group: string
  readonly resource: string
}

function qualified({ group, resource }: ResourceName): string {
  return group === '' ? resource : `${resource}.${group}`
}

export function notFoundError(type: ResourceName, name: string): StatusError {
  const details = { name, group: type.group, kind: type.resource }
  return new StatusError('NotFound', `${qualified(type)} "${name}" not found`, details)
}

export function alreadyExistsError(type: ResourceName, name: string): StatusError {
  const details = { name, group: type.group, kind: type.resource }
  return new StatusError('AlreadyExists', `${qualified(type)} "${name}" already exists`, details)
}

export function conflictError(type: ResourceName, name: string, why: string): StatusError {
  const details = { name, group: type.group, kind: type.resource }
  return new StatusError('Conflict', `Operation cannot be fulfilled on ${qualified(type)} "${name}": ${why}`, details)
}

/** An object can be wrong in a hundred thousand places; the first ones are told. */
const FIELD_ERRORS_MAX = 100

/** 422 with one cause a field, worded as kubectl users know it. */
export function invalidError(
  type: { readonly group: string; readonly kind: string },
  name: string,
  allErrors: readonly FieldError[],
): StatusError {
  const errors = allErrors.slice(0, FIELD_ERRORS_MAX)
  const texts = errors.map((e) => `${e.path}: ${fieldErrorBody(e)}`)
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  const kind = type.group === '' ? type.kind : `${type.kind}.${type.group}`
  const causes = errors.map((e) => ({ reason: e.reason, message: fieldErrorBody(e), field: e.path }))
  return new StatusError('Invalid', `${kind} "${name}" is invalid: ${list}`, {
    name,
    group: type.group,
    kind: type.kind,
    causes,
  })
}

/** True for a `StatusError` with this reason: `isReason(e, 'NotFound')`. */
export function isReason(error: unknown, reason: StatusReason): error is StatusError {
  return error instanceof StatusError && error.reason === reason
}

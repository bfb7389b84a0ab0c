/** The reasons Kubernetes gives for a refused field, as they stand in `Status.details.causes[].reason`. */
export type FieldErrorReason =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueForbidden'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueNotFound'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError'

/** One refused field. `path` as Kubernetes writes it: `spec.containers[0].image`, `metadata.labels[a/b]`. */
export interface FieldError {
  readonly path: string
  readonly reason: FieldErrorReason
  /** The offending value; left out for required and forbidden fields. */
  readonly value?: unknown
  readonly detail: string
}

export function required(path: string, detail = ''): FieldError {
  return { path, reason: 'FieldValueRequired', detail }
}

export function invalid(path: string, value: unknown, detail: string): FieldError {
  return { path, reason: 'FieldValueInvalid', value, detail }
}

export function forbidden(path: string, detail: string): FieldError {
  return { path, reason: 'FieldValueForbidden', detail }
}

export function duplicate(path: string, value: unknown): FieldError {
  return { path, reason: 'FieldValueDuplicate', value, detail: '' }
}

export function notFound(path: string, value: unknown): FieldError {
  return { path, reason: 'FieldValueNotFound', value, detail: '' }
}

export function notSupported(path: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.map((s) => JSON.stringify(s)).join(', ')
  return { path, reason: 'FieldValueNotSupported', value, detail: `supported values: ${list}` }
}

export function tooLong(path: string, bytesMax: number): FieldError {
  return { path, reason: 'FieldValueTooLong', detail: `may not be more than ${bytesMax} bytes` }
}

export function tooMany(path: string, actual: number, most: number): FieldError {
  return {
    path,
    reason: 'FieldValueTooMany',
    value: actual,
    detail: `must have at most ${most} item${most === 1 ? '' : 's'}`,
  }
}

const TEXT: Readonly<Record<FieldErrorReason, string>> = {
  FieldValueRequired: 'Required value',
  FieldValueInvalid: 'Invalid value',
  FieldValueForbidden: 'Forbidden',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueNotFound: 'Not found',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
  FieldValueTypeInvalid: 'Invalid value',
  InternalError: 'Internal error',
}

/** A refused value may be megabytes long; its start tells which one it is. */
const VALUE_LENGTH_MAX = 1_024

function valueText(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text
}

/** The sentence after the path, worded as in Kubernetes: `Invalid value: "x": must be …`. */
export function fieldErrorBody(error: FieldError): string {
  const withValue =
    error.reason !== 'FieldValueRequired' && error.reason !== 'FieldValueForbidden' && error.value !== undefined
  const value = withValue ? `: ${valueText(error.value)}` : ''
  return `${TEXT[error.reason]}${value}${error.detail === '' ? '' : `: ${error.detail}`}`
}

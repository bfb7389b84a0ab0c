const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/
const LAYOUT = '2006-01-02T15:04:05Z07:00'

/** A time that is no RFC 3339; its message is Go's. */
export class TimestampError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TimestampError'
  }
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate()
}

function outOfRange(match: RegExpExecArray): string | undefined {
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (month < 1 || month > 12) return 'month'
  if (day < 1 || day > daysIn(year, month)) return 'day'
  if (hour > 23) return 'hour'
  if (minute > 59) return 'minute'
  return second > 59 ? 'second' : undefined
}

/**
 * Kubernetes' form of an RFC 3339 time, in UTC: whole seconds (`Time`), or always six digits of a second
 * (`MicroTime`). Finer digits are cut off. Throws TimestampError.
 */
export function canonicalTimestamp(text: string, form: 'seconds' | 'micros'): string {
  const match = RFC3339.exec(text)
  if (match === null)
    throw new TimestampError(`parsing time "${text}" as "${LAYOUT}": cannot parse "${text}" as "2006"`)
  const wrong = outOfRange(match)
  const zone = match[8]!
  const ms = zone === 'Z' ? 0 : Date.parse(`${text.slice(0, 19)}${zone}`)
  if (wrong !== undefined || Number.isNaN(ms))
    throw new TimestampError(`parsing time "${text}": ${wrong ?? 'time zone offset'} out of range`)
  const seconds = zone === 'Z' ? text.slice(0, 19) : new Date(ms).toISOString().slice(0, 19)
  return form === 'seconds' ? `${seconds}Z` : `${seconds}.${(match[7] ?? '').padEnd(6, '0').slice(0, 6)}Z`
}

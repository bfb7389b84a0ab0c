/** What an engine answered, or that it did not answer. */
export class EngineError extends Error {
  /** The HTTP status; undefined when there was no answer. */
  readonly status: number | undefined

  constructor(message: string, status: number | undefined, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'EngineError'
    this.status = status
  }

  /** The engine could not be asked: it does not run, hangs, or its connection broke. */
  get isUnavailable(): boolean {
    return this.status === undefined
  }
}

export function hasStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof EngineError && error.status !== undefined && statuses.includes(error.status)
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof EngineError && error.isUnavailable
}

/** `(HTTP code 404) no such container - No such container: x ` → `No such container: x`. */
function ownWords(message: string): string {
  return message.replace(/^\(HTTP code \d+\) [^-]*- /, '').trim()
}

/** What a failed call of dockerode means. `where` names the engine for the reader. */
export function engineError(cause: unknown, where: string): EngineError {
  if (cause instanceof EngineError) return cause
  const { statusCode, message, code } = cause as Error & { readonly statusCode?: number; readonly code?: string }
  if (statusCode !== undefined) return new EngineError(ownWords(message), statusCode, { cause })
  const why =
    code === 'ENOENT' || code === 'ECONNREFUSED'
      ? `nothing answers at ${where}`
      : code === 'EACCES' || code === 'EPERM'
        ? `this user may not use ${where}`
        : code === 'ABORT_ERR'
          ? `no answer from ${where} in time`
          : `the connection to ${where} broke (${message})`
  return new EngineError(why, undefined, { cause })
}

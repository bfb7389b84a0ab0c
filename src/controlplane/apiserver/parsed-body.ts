/** A request's body as plain data. */
export interface ParsedBody {
  /** Undefined when there was none. */
  readonly body: unknown
  /** Paths of keys that stood twice in an object. */
  readonly duplicates: readonly string[]
}

/** A request that has ended, as it is told to people. */
export interface RequestRecord {
  /** When it began: milliseconds since the epoch. */
  readonly atMs: number
  readonly client: string
  /** Empty, like host and target, where the request could not be read. */
  readonly method: string
  readonly host: string
  /** As in the request, at most `TARGET_LENGTH_MAX`. */
  readonly target: string
  /** 0: none was sent. */
  readonly status: number
  readonly durationMs: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Empty where no route was found. */
  readonly route: string
  readonly service: string
  readonly endpoint: string
  readonly tries: number
  /** Why there was no whole response of an endpoint; empty: there was. */
  readonly error: string
}

export const TARGET_LENGTH_MAX = 2_048

/** Is told of each request that ends. What it is given is made for it: without an observer nothing is. */
export interface RequestObserver {
  ended(record: RequestRecord): void
}

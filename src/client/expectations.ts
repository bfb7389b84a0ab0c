import type { Clock } from '../base/clock.ts'

/** After this long without the awaited change, the write is taken for lost and the controller acts on what it sees. */
const EXPIRE_MS = 5 * 60_000

interface Expectation {
  creations: number
  readonly deletions: Set<string>
  readonly since: number
}

/**
 * Writes of a controller that its informers have not shown yet, by the key of the object it reconciles. While any is
 * outstanding the controller must not decide how many to create or delete, or a stale copy makes it do so twice.
 */
export class Expectations {
  readonly #clock: Clock
  readonly #byKey = new Map<string, Expectation>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Announces writes about to be made; `deletions` are the keys of the objects. */
  expect(key: string, creations: number, deletions: readonly string[]): void {
    const known = this.#byKey.get(key)
    this.#byKey.set(key, {
      creations: (known?.creations ?? 0) + creations,
      deletions: new Set([...(known?.deletions ?? []), ...deletions]),
      since: this.#clock.monotonic(),
    })
  }

  /** A creation was seen, or failed and will not be. */
  creationObserved(key: string): void {
    const known = this.#byKey.get(key)
    if (known !== undefined && known.creations > 0) known.creations -= 1
  }

  /** A deletion was seen, or failed and will not be. */
  deletionObserved(key: string, object: string): void {
    this.#byKey.get(key)?.deletions.delete(object)
  }

  /** True when the controller may decide. */
  satisfied(key: string): boolean {
    const known = this.#byKey.get(key)
    if (known === undefined) return true
    if (known.creations <= 0 && known.deletions.size === 0) return true
    return this.#clock.monotonic() - known.since > EXPIRE_MS
  }

  forget(key: string): void {
    this.#byKey.delete(key)
  }
}

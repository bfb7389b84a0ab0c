export type Millis = number

export interface Timer {
  /** Stops the timer; harmless when it has already fired. */
  cancel(): void
}

/**
 * Time as a dependency. Everything that waits or asks for the time takes one, so that tests and simulations run on
 * virtual time. `now` is wall-clock milliseconds since the epoch; `monotonic` never goes back and has no fixed origin.
 */
export interface Clock {
  now(): Millis
  monotonic(): Millis
  setTimer(delayMs: Millis, callback: () => void): Timer
}

/** The machine's own clock. Its timers keep the process alive until they fire or are cancelled. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, callback) {
    const handle = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
}

/** Resolves after `delayMs` of the given clock, or at once (without an error) when the signal aborts. */
export function sleep(clock: Clock, delayMs: Millis, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const onAbort = (): void => {
      timer.cancel()
      resolve()
    }
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

import type { Clock } from '../../base/clock.ts'
import type { Runtime } from './runtime.ts'
import { type CountedMethod, RUNTIME_OPERATIONS, type RuntimeCounts } from './runtime-counts.ts'

function isCounted(property: string | symbol): property is CountedMethod {
  return Object.hasOwn(RUNTIME_OPERATIONS, property)
}

/**
 * The same runtime, of which it is known how often it was asked for what and how long that took. Whatever is not counted
 * goes through as it is, also what only some runtimes have.
 */
export function measuredRuntime(runtime: Runtime, clock: Clock, counts: RuntimeCounts): Runtime {
  const timed =
    (method: CountedMethod, call: (...words: unknown[]) => Promise<unknown>) =>
    async (...words: unknown[]): Promise<unknown> => {
      const began = clock.monotonic()
      let failed = true
      try {
        const result = await call.apply(runtime, words)
        failed = false
        return result
      } finally {
        counts.record(method, clock.monotonic() - began, failed)
      }
    }
  const wrapped = new Map<string | symbol, unknown>()
  return new Proxy(runtime, {
    get(target, property) {
      const known = wrapped.get(property)
      if (known !== undefined) return known
      // With the runtime itself as receiver: its private fields are its own.
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      const method = isCounted(property) ? timed(property, value as never) : value.bind(target)
      wrapped.set(property, method)
      return method
    },
  })
}

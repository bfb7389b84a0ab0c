import type { ResourceDefinition } from '../../api/definition.ts'
import type { Event } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { CachedObject } from './cache/cached-object.ts'
import type { Registry } from './registry.ts'

/** As kube-apiserver's `--event-ttl`. */
const TTL_MS = 3_600_000
const SWEEP_MS = 60_000
/** Removed together, so that a sweep of many leaves room for others. */
const STEP = 200

/** When an event, in its stored form, was last told of. */
function lastSeenMs(event: Event): number {
  const times = [
    event.series?.lastObservedTime,
    event.lastTimestamp,
    event.eventTime,
    event.metadata?.creationTimestamp,
  ].map((text) => (text === undefined || text === null ? 0 : Date.parse(text)))
  return Math.max(...times.filter((ms) => Number.isFinite(ms)), 0)
}

/** The events that nobody has repeated for an hour. */
function expired(registry: Registry, events: ResourceDefinition, nowMs: number): readonly CachedObject[] {
  const found: CachedObject[] = []
  for (const stored of registry.cacheOf(events).range(`${events.storagePrefix}/`))
    if (lastSeenMs(stored.object as Event) < nowMs - TTL_MS) found.push(stored)
  return found
}

async function sweep(registry: Registry, events: ResourceDefinition, nowMs: number): Promise<void> {
  const old = expired(registry, events, nowMs)
  // One revision for each: a watch may stop between any two of them.
  for (let i = 0; i < old.length; i += STEP)
    await Promise.all(old.slice(i, i + STEP).map((event) => registry.remove(event, [], false)))
}

/** Removes events an hour after their last word; returns the way to stop. */
export function startEventExpiry(
  registry: Registry,
  definitions: readonly ResourceDefinition[],
  clock: Clock,
  logger: Logger,
): () => void {
  const events = definitions.find(({ resource, storage }) => resource === 'events' && storage === undefined)
  if (events === undefined) return () => {}
  let stopped = false
  const later = (): { cancel(): void } =>
    clock.setTimer(SWEEP_MS, () => {
      sweep(registry, events, clock.now())
        .catch((error) => logger.warn({ err: error }, 'old events could not be removed'))
        .finally(() => {
          if (!stopped) timer = later()
        })
    })
  let timer = later()
  return () => {
    stopped = true
    timer.cancel()
  }
}

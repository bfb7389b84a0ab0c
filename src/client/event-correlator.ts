import type { Millis } from '../base/clock.ts'

// client-go's defaults: from the tenth different message in ten minutes on, similar events are told as one; 25 at once
// and then one every 5 minutes for each object; 4,096 of each are remembered.
const SIMILAR_MAX = 10
const SIMILAR_WINDOW_MS = 10 * 60_000
const BURST = 25
const REFILL_MS = 5 * 60_000
const REMEMBERED_MAX = 4_096

export interface Observation {
  /** What the event is about, whole: two objects of one name but different uid are two. */
  readonly object: string
  readonly type: string
  readonly reason: string
  readonly message: string
  readonly fieldPath: string | undefined
}

/** One event as it stands in the API, to be counted up. Remembered and changed by whoever writes it. */
export interface ToldEvent {
  /** Empty until it is written. */
  name: string
  readonly firstMs: Millis
  count: number
}

export interface Correlation {
  readonly told: ToldEvent
  /** What to say: similar messages are marked as combined. */
  readonly message: string
  /** False when this object has had its share of events. */
  readonly allowed: boolean
}

/** Decides which event is told anew, which counts an older one up, and which is one too many. Pure but for its memory. */
export class EventCorrelator {
  readonly #told = new Map<string, ToldEvent>()
  readonly #similar = new Map<string, { readonly messages: Set<string>; readonly lastMs: Millis }>()
  readonly #shares = new Map<string, { readonly left: number; readonly atMs: Millis }>()

  correlate(observation: Observation, now: Millis): Correlation {
    const { key, message } = this.#combine(observation, now)
    const told = this.#told.get(key) ?? { name: '', firstMs: now, count: 0 }
    told.count += 1
    remember(this.#told, key, told)
    return { told, message, allowed: this.#takeShare(observation.object, now) }
  }

  #combine(seen: Observation, now: Millis): { readonly key: string; readonly message: string } {
    const group = [seen.object, seen.type, seen.reason].join('\0')
    const known = this.#similar.get(group)
    const fresh = known === undefined || now - known.lastMs > SIMILAR_WINDOW_MS
    const messages = fresh ? new Set<string>() : known.messages
    messages.add(seen.message)
    remember(this.#similar, group, { messages, lastMs: now })
    if (messages.size < SIMILAR_MAX)
      return { key: [group, seen.fieldPath ?? '', seen.message].join('\0'), message: seen.message }
    messages.delete(messages.values().next().value!)
    return { key: group, message: `(combined from similar events): ${seen.message}` }
  }

  #takeShare(object: string, now: Millis): boolean {
    const known = this.#shares.get(object) ?? { left: BURST, atMs: now }
    const left = Math.min(BURST, known.left + (now - known.atMs) / REFILL_MS)
    remember(this.#shares, object, { left: left >= 1 ? left - 1 : left, atMs: now })
    return left >= 1
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > REMEMBERED_MAX) map.delete(map.keys().next().value!)
}

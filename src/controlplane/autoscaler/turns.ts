import type { Millis } from '../../base/clock.ts'

/** Every autoscaler has its regular turn this often, as in kube-controller-manager. */
export const PERIOD_MS: Millis = 15_000
/**
 * Between its turns, an autoscaler whose metrics are as fresh as the traffic glances this often at whether there are
 * too few pods, so that a step in the load is met within seconds.
 */
const GLANCE_MS: Millis = 2_000
/** Of many autoscalers together no more than 50 glances a second: they glance more seldom instead. */
const GLANCE_SPACING_MS: Millis = 20

/** What is due for one autoscaler. */
export type Due = 'turn' | 'glance' | 'nothing'

/** When each autoscaler is to be looked at; times are of the monotonic clock. */
export class Turns {
  readonly #turns = new Map<string, { readonly nextMs: Millis; readonly glances: boolean }>()
  /** How many of them glance. */
  #glancing = 0

  /** The next turn is at this time, or earlier if it was so already. */
  byLatest(key: string, atMs: Millis): void {
    const { nextMs = Number.POSITIVE_INFINITY, glances = false } = this.#turns.get(key) ?? {}
    this.#set(key, Math.min(nextMs, atMs), glances)
  }

  due(key: string, nowMs: Millis): Due {
    const turn = this.#turns.get(key)
    if (turn === undefined || nowMs >= turn.nextMs) return 'turn'
    return turn.glances ? 'glance' : 'nothing'
  }

  /**
   * Those that would glance now that there are new figures of the traffic; none where they are so many that each has to
   * wait for its time.
   */
  *glancing(): Generator<string> {
    if (this.#glancing * GLANCE_SPACING_MS > 1_000) return
    for (const [key, { glances }] of this.#turns) if (glances) yield key
  }

  /**
   * After a turn, or a glance that has acted. No glances follow a change of the size: sizes change no faster than by
   * turns alone.
   */
  taken(key: string, nowMs: Millis, glances: boolean): void {
    this.#set(key, nowMs + PERIOD_MS, glances)
  }

  /** How long until the key is to be worked on again. */
  untilNext(key: string, nowMs: Millis): Millis {
    const turn = this.#turns.get(key)
    const leftMs = Math.max(0, (turn?.nextMs ?? nowMs) - nowMs)
    return turn?.glances === true ? Math.min(leftMs, Math.max(GLANCE_MS, this.#glancing * GLANCE_SPACING_MS)) : leftMs
  }

  forget(key: string): void {
    if (this.#turns.get(key)?.glances === true) this.#glancing -= 1
    this.#turns.delete(key)
  }

  #set(key: string, nextMs: Millis, glances: boolean): void {
    const before = this.#turns.get(key)?.glances === true
    this.#glancing += Number(glances) - Number(before)
    this.#turns.set(key, { nextMs, glances })
  }
}

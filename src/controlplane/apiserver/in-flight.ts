import { StatusError } from '../../api/status-error.ts'
import type { User } from './user.ts'

/** As kube-apiserver's `--max-mutating-requests-inflight` and `--max-requests-inflight`. */
const MUTATING_MAX = 200
const READING_MAX = 400

const MUTATING = new Set(['create', 'update', 'patch', 'delete', 'deletecollection'])

/** Bounds how many requests are worked on at once. The cluster's own parts are never turned away: leases and status must pass. */
export class InFlight {
  #mutating = 0
  #reading = 0

  /** Takes a place, or throws TooManyRequests; call what comes back when the request is done. */
  enter(verb: string, user: User): () => void {
    if (user.groups.includes('system:masters') || user.groups.includes('system:nodes')) return () => {}
    const mutating = MUTATING.has(verb)
    if (mutating ? this.#mutating >= MUTATING_MAX : this.#reading >= READING_MAX) {
      throw new StatusError(
        'TooManyRequests',
        'the server has received too many requests and has asked us to try again later',
        { retryAfterSeconds: 1 },
      )
    }
    if (mutating) this.#mutating += 1
    else this.#reading += 1
    return () => {
      if (mutating) this.#mutating -= 1
      else this.#reading -= 1
    }
  }
}

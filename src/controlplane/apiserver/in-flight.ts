import { StatusError } from '../../api/status-error.ts'
import type { User } from './user.ts'

/** As kube-apiserver's `--max-mutating-requests-inflight` and `--max-requests-inflight`. */
const MUTATING_MAX = 200
const READING_MAX = 400
/** Nodes and proxies have a share of their own, so that leases and status pass whatever the others do; so have administrators. */
const SYSTEM_MAX = 400
const ADMIN_MAX = 400

const MUTATING = new Set(['create', 'update', 'patch', 'delete', 'deletecollection'])

/** The queue a request counts in; administrators of last resort count nowhere. */
export type Share = 'mutating' | 'reading' | 'system' | 'admin' | 'unlimited'

const MAXIMA: Readonly<Record<Share, number>> = {
  mutating: MUTATING_MAX,
  reading: READING_MAX,
  system: SYSTEM_MAX,
  admin: ADMIN_MAX,
  unlimited: Number.POSITIVE_INFINITY,
}

function shareOf(verb: string, user: User): Share {
  if (user.groups.includes('system:masters')) return 'unlimited'
  if (user.groups.includes('system:nodes') || user.name === 'system:kube-proxy') return 'system'
  if (user.groups.includes('wherry:admins')) return 'admin'
  return MUTATING.has(verb) ? 'mutating' : 'reading'
}

/** Bounds how many requests are worked on at once. */
export class InFlight {
  readonly #counts: Record<Share, number> = { mutating: 0, reading: 0, system: 0, admin: 0, unlimited: 0 }

  /** Takes a place, or throws TooManyRequests; give the share back with `leave`. */
  enter(verb: string, user: User): Share {
    const share = shareOf(verb, user)
    if (this.#counts[share] >= MAXIMA[share]) {
      throw new StatusError(
        'TooManyRequests',
        'the server has received too many requests and has asked us to try again later',
        { retryAfterSeconds: 1 },
      )
    }
    this.#counts[share] += 1
    return share
  }

  /** How many are worked on, by kube-apiserver's names for the shares that it has as well. */
  counts(): readonly (readonly [kind: string, count: number])[] {
    return Object.entries(this.#counts).map(([share, count]) => [share === 'reading' ? 'readOnly' : share, count])
  }

  leave(share: Share): void {
    this.#counts[share] -= 1
  }
}

import type { Balancer } from './balancer.ts'
import { clientSideWrr } from './client-side-wrr.ts'
import { leastRequest } from './least-request.ts'
import { maglev } from './maglev.ts'
import { p2cPeakEwma } from './p2c-peak-ewma.ts'
import { Prequal } from './prequal.ts'
import { rifP2c } from './rif-p2c.ts'
import { ringHash } from './ring-hash.ts'
import { roundRobin } from './round-robin.ts'
import { smoothWeightedRoundRobin } from './smooth-weighted-round-robin.ts'
import { weightedRandom } from './weighted-random.ts'

/** The algorithms by the names that configuration uses, each with its defaults. */
export const ALGORITHMS = {
  'p2c-peak-ewma': (random) => p2cPeakEwma({ random }),
  'round-robin': roundRobin,
  'weighted-round-robin': smoothWeightedRoundRobin,
  random: weightedRandom,
  'least-request': (random) => leastRequest({ random }),
  'rif-p2c': rifP2c,
  prequal: (random) => new Prequal({ random }),
  'ring-hash': () => ringHash(),
  maglev: () => maglev(),
  'client-side-wrr': () => clientSideWrr(),
} satisfies Record<string, (random: () => number) => Balancer>

export type Algorithm = keyof typeof ALGORITHMS

/** The decision "p2c-peak-ewma by default" in docs/decisions says why. */
export const DEFAULT_ALGORITHM: Algorithm = 'p2c-peak-ewma'

/** Whether requests with the same key go to the same endpoint: only then is a key worth computing. */
export function usesKey(algorithm: Algorithm): boolean {
  return algorithm === 'maglev' || algorithm === 'ring-hash'
}

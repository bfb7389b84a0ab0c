import { ALGORITHMS, type Algorithm, DEFAULT_ALGORITHM } from '../../../src/proxy/balance/algorithms.ts'
import { Prequal } from '../../../src/proxy/balance/prequal.ts'
import { OutlierDetection } from '../../../src/proxy/resilience/outlier-detection.ts'
import type { Contender } from './simulate.ts'

/** An algorithm as configuration names it, with its defaults. */
export function byName(name: Algorithm): Contender {
  return { name, balancer: ALGORITHMS[name] }
}

/** Prequal with probes that the servers answer, as in the paper; by name it goes by what the proxy sees. */
export const PROBING_PREQUAL: Contender = {
  name: 'prequal, probing',
  balancer(random, probing) {
    const prequal: Prequal = new Prequal({
      random,
      probe: (endpoint) =>
        probing.ask(endpoint, (inFlight, latencyMs, nowMs) => prequal.probed(endpoint, inFlight, latencyMs, nowMs)),
    })
    return prequal
  },
}

/** Least request is RIF-P2C where all weights are the same, as they are here. */
export const CONTENDERS: readonly Contender[] = [
  byName('random'),
  byName('round-robin'),
  byName('client-side-wrr'),
  byName('rif-p2c'),
  byName('prequal'),
  PROBING_PREQUAL,
  byName('p2c-peak-ewma'),
]

/** As a Service is served when nobody says otherwise. */
export const DEFAULT_CONTENDER: Contender = {
  ...byName(DEFAULT_ALGORITHM),
  name: `${DEFAULT_ALGORITHM}, outlier detection`,
  group: () => ({ health: new OutlierDetection() }),
}

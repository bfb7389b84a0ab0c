import { type BackendSpec, HEALTHY } from './backend.ts'
import { exponential } from './seeded-random.ts'
import type { Scenario } from './simulate.ts'

const among = (count: number, spec: (k: number) => BackendSpec): readonly BackendSpec[] =>
  Array.from({ length: count }, (_, k) => spec(k))

const WORK_MS = 10
const work = (random: () => number): number => exponential(random, WORK_MS)

/** Requests per second that `backends` can do, times `load`. */
function loadOf(backends: readonly BackendSpec[], load: number): number {
  const capacity = backends.reduce((sum, { workers, speed }) => sum + (workers * speed(0) * 1_000) / WORK_MS, 0)
  return capacity * load
}

/**
 * Linkerd's published test (2016): one of 11 backends answers after 2 s for the second half of a minute, clients wait
 * for 1 s. Round robin 95 %, least loaded 99 %, peak EWMA 99.9 % successful.
 */
export const STALL: Scenario = {
  name: 'one of 11 stalls',
  backends: among(11, (k) => (k === 0 ? { ...HEALTHY, stallMs: (nowMs) => (nowMs >= 30_000 ? 2_000 : 0) } : HEALTHY)),
  proxies: 1,
  requestsPerSecond: 1_000,
  durationMs: 60_000,
  warmUpMs: 0,
  timeoutMs: 1_000,
  work,
}

/** One of 11 answers errors at once, twenty times faster than the others answer anything. */
export const FAIL_FAST: Scenario = {
  ...STALL,
  name: 'one of 11 fails fast',
  backends: among(11, (k) => (k === 0 ? { ...HEALTHY, fails: (nowMs) => nowMs >= 30_000 } : HEALTHY)),
}

/** All are as fast, load is at 90 %: the queues are what is to be balanced. */
const equals = among(20, () => HEALTHY)
export const EQUALS: Scenario = {
  name: '20 equal backends, 90 % load',
  backends: equals,
  proxies: 8,
  requestsPerSecond: loadOf(equals, 0.9),
  durationMs: 12_000,
  warmUpMs: 3_000,
  timeoutMs: 5_000,
  work,
}

/** Half of them are on older machines: 0.7 and 1.3 of the mean. */
const mixed = among(20, (k) => ({ ...HEALTHY, speed: () => (k % 2 === 0 ? 0.7 : 1.3) }))
export const MIXED: Scenario = {
  ...EQUALS,
  name: '20 backends of two speeds, 90 % load',
  backends: mixed,
  requestsPerSecond: loadOf(mixed, 0.9),
}

/** Neighbours on the same machines take a third of the speed from four of them at a time, others every two seconds. */
const NEIGHBOUR_MS = 2_000
export const NEIGHBOURS: Scenario = {
  ...EQUALS,
  name: '20 backends with noisy neighbours, 85 % load',
  backends: among(20, (k) => ({
    ...HEALTHY,
    speed: (nowMs) => ((k + Math.floor(nowMs / NEIGHBOUR_MS) * 7) % 20 < 4 ? 0.67 : 1),
  })),
  requestsPerSecond: loadOf(equals, 0.85 * (1 - 0.2 * 0.33)),
}

/** A tenth more than they can do, clients that wait for half a second, and nobody who says no. */
export const OVERLOAD: Scenario = {
  ...EQUALS,
  name: '20 backends, 110 % load, timeout 0.5 s',
  requestsPerSecond: loadOf(equals, 1.1),
  timeoutMs: 500,
}

/** The same, but a proxy has no more under way than what its share of the workers does in a quarter of a second. */
export const SHEDDING: Scenario = {
  ...OVERLOAD,
  name: '20 backends, 110 % load, timeout 0.5 s, limit of 250 requests a proxy',
  limits: { requests: 250 },
}

/** One request in 500 fails wherever it goes: nobody's fault, and no reason to crowd the lucky ones. */
export const SPORADIC: Scenario = {
  ...EQUALS,
  name: '20 backends, 0.2 % errors everywhere, 85 % load',
  backends: among(20, (k) => ({ ...HEALTHY, fails: everyNth(500, k * 23) })),
  requestsPerSecond: loadOf(equals, 0.85),
}

function everyNth(n: number, start: number): () => boolean {
  let count = start
  return () => ++count % n === 0
}

/** One of 11 answers errors for ten seconds and is well again. */
export const RECOVERY: Scenario = {
  ...STALL,
  name: 'one of 11 fails for 10 s',
  backends: among(11, (k) => (k === 0 ? { ...HEALTHY, fails: (nowMs) => nowMs >= 10_000 && nowMs < 20_000 } : HEALTHY)),
}

/** An eleventh backend joins after 10 s, cold: a tenth as fast, warm after 10 s. */
export const JOIN: Scenario = {
  ...STALL,
  name: 'an eleventh joins cold',
  backends: among(11, (k) =>
    k === 10 ? { ...HEALTHY, speed: (nowMs) => Math.min(1, 0.1 + (0.9 * (nowMs - 10_000)) / 10_000) } : HEALTHY,
  ),
  joinsAtMs: Array.from({ length: 11 }, (_, k) => (k === 10 ? 10_000 : Number.NEGATIVE_INFINITY)),
  proxies: 2,
  requestsPerSecond: 2_800,
  durationMs: 25_000,
  warmUpMs: 10_000,
}

/**
 * Two of 11 are ill for all but the first five seconds, one of which stalls and one of which answers errors at once,
 * and the load is a part of what the other nine can do. Clients wait for a second.
 */
function ill(load: number): Scenario {
  const atMs = 5_000
  const healthy = among(9, () => HEALTHY)
  const stalling = { ...HEALTHY, stallMs: (nowMs: number) => (nowMs >= atMs ? 2_000 : 0) }
  const failing = { ...HEALTHY, fails: (nowMs: number) => nowMs >= atMs }
  return {
    name: `one of 11 stalls, one fails fast, load at ${Math.round(100 * load)} % of the others' capacity`,
    backends: [stalling, failing, ...healthy],
    proxies: 2,
    requestsPerSecond: loadOf(healthy, load),
    durationMs: 25_000,
    warmUpMs: 0,
    timeoutMs: 1_000,
    work,
  }
}

export const ILL_AT_90: Scenario = ill(0.9)
export const ILL_AT_110: Scenario = ill(1.1)
/** The same, but a proxy has no more under way than what its share of the workers does in a quarter of a second. */
export const ILL_SHEDDING: Scenario = {
  ...ILL_AT_110,
  name: `${ILL_AT_110.name}, limit of 450 requests a proxy`,
  limits: { requests: 450 },
}

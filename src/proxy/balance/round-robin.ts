import type { Balancer } from './balancer.ts'

/**
 * Each in turn, from a random start, so that several proxies do not march in step. L4's default: connections, unlike
 * requests, say nothing about their weight when they open; counting those that are open would send every new client
 * to an endpoint that closes quickly because it fails, and to one that has just started, all at once. In turn, a few
 * connections are spread exactly and many are spread well.
 */
export function roundRobin(random: () => number): Balancer<unknown> {
  let turn = Math.floor(random() * 0x1_0000)
  return {
    pick(endpoints) {
      if (endpoints.length === 0) return -1
      // Stays a small integer, and returns to where it began without a jump unless the count wraps.
      turn = (turn + 1) & 0x3fff_ffff
      return turn % endpoints.length
    },
    started() {},
    finished() {},
  }
}

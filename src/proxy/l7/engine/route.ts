import type { RequestHead } from '../http1/request-head.ts'
import type { Upstream } from './upstream.ts'

/** Where requests that match it go. `id`: small and dense, one for each route of an engine. */
export interface Route {
  readonly id: number
  /** What it is called in metrics. */
  readonly name: string
  readonly upstream: Upstream
}

/** Chooses by a request's head, whose offsets point into `b`. */
export interface Router {
  /** A refusal (`http1/refusal.ts`), or 0. */
  check(head: RequestHead, b: Uint8Array): number
  /** undefined: none matches. */
  route(head: RequestHead, b: Uint8Array): Route | undefined
}

/** Everything goes the same way. */
export function onlyRoute(route: Route): Router {
  return { check: () => 0, route: () => route }
}

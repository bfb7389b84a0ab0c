import type { Route, Router } from '../engine/route.ts'
import type { RequestHead } from '../http1/request-head.ts'

/** Stands for one router after another; requests under way are not touched by a change. */
export class SwappableRouter implements Router {
  current: Router

  constructor(first: Router) {
    this.current = first
  }

  check(head: RequestHead, b: Uint8Array): number {
    return this.current.check(head, b)
  }

  route(head: RequestHead, b: Uint8Array): Route | undefined {
    return this.current.route(head, b)
  }
}

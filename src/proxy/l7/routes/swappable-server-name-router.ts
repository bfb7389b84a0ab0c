import type { Route } from '../engine/route.ts'
import type { ServerNameRouter } from '../engine/server-name-router.ts'

/** Stands for one router after another; connections that have been routed are not touched by a change. */
export class SwappableServerNameRouter implements ServerNameRouter {
  current: ServerNameRouter

  constructor(first: ServerNameRouter) {
    this.current = first
  }

  route(serverName: string | undefined): Route | undefined {
    return this.current.route(serverName)
  }
}

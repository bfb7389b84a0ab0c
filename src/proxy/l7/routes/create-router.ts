import type { Route, Router } from '../engine/route.ts'
import type { Upstream } from '../engine/upstream.ts'
import { REFUSAL } from '../http1/refusal.ts'
import { isAmbiguousPath } from './ambiguous-path.ts'
import { compileRoutes, RouteRulesError, readsPaths } from './compile-routes.ts'
import type { RouteRule } from './route-rule.ts'

/**
 * A router that follows rules. It never changes: to change rules, make another and put it in its place
 * (`swappable-router.ts`). `idOf` gives each name of a rule a small number, the same one each time (`Route.id`).
 *
 * @throws RouteRulesError with all that is wrong with them.
 */
export function createRouter(
  rules: readonly RouteRule[],
  upstreams: ReadonlyMap<string, Upstream>,
  idOf: (rule: string) => number,
  random: () => number,
): Router {
  const missing = rules.flatMap(({ name, backends }) =>
    backends
      .filter(({ upstream }) => !upstreams.has(upstream))
      .map(({ upstream }) => ({ rule: name, field: 'backends', reason: `there is no upstream "${upstream}"` })),
  )
  if (missing.length > 0) throw new RouteRulesError(missing)
  const table = compileRoutes<Route>(
    rules,
    ({ name }, { upstream }) => ({ id: idOf(name), name, upstream: upstreams.get(upstream)! }),
    random,
  )
  const refusesAmbiguous = readsPaths(rules)
  return {
    check: (head, b) =>
      refusesAmbiguous && isAmbiguousPath(b, head.targetStart, head.targetEnd) ? REFUSAL['ambiguous-path'] : 0,
    route: (head, b) => table.match(head, b),
  }
}

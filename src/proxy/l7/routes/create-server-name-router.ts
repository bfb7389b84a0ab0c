import type { Route } from '../engine/route.ts'
import type { ServerNameRouter } from '../engine/server-name-router.ts'
import type { Upstream } from '../engine/upstream.ts'
import type { RouteRule } from './route-rule.ts'

/** The backends of a rule that get anything, with their cumulative shares up to 1. */
interface Choice {
  readonly routes: readonly Route[]
  readonly shares: readonly number[]
}

/**
 * A router of TLS connections by the server name that clients ask for: of the rules only hosts and backends count. An
 * exact name comes before a wildcard, a longer wildcard before a shorter one, and of equals the rule named first; rules
 * without hosts take the rest, clients that name no server among them. Never changes, as those of `createRouter`.
 */
export function createServerNameRouter(
  rules: readonly RouteRule[],
  upstreams: ReadonlyMap<string, Upstream>,
  idOf: (rule: string) => number,
  random: () => number,
): ServerNameRouter {
  const exact = new Map<string, Choice>()
  const wildcards = new Map<string, Choice>()
  let rest: Choice | undefined
  for (const rule of rules) {
    const choice = choiceOf(rule, upstreams, idOf(rule.name))
    if (rule.hosts === undefined) rest ??= choice
    for (const host of rule.hosts?.map((name) => name.toLowerCase()) ?? []) {
      const [names, name] = host.startsWith('*.') ? [wildcards, host.slice(1)] : [exact, host]
      if (!names.has(name)) names.set(name, choice)
    }
  }
  const longestFirst = [...wildcards].sort(([a], [b]) => b.length - a.length)
  const find = (name: string): Choice | undefined =>
    exact.get(name) ?? longestFirst.find(([suffix]) => name.endsWith(suffix) && name.length > suffix.length)?.[1]
  return {
    route(serverName) {
      const choice = (serverName === undefined ? undefined : find(serverName)) ?? rest
      return choice === undefined ? undefined : draw(choice, random)
    },
  }
}

function choiceOf({ name, backends }: RouteRule, upstreams: ReadonlyMap<string, Upstream>, id: number): Choice {
  const taking = backends.filter(({ weight = 1 }) => weight > 0)
  const total = taking.reduce((sum, { weight = 1 }) => sum + weight, 0)
  let sum = 0
  return {
    routes: taking.map(({ upstream }) => ({ id, name, upstream: upstreams.get(upstream)! })),
    shares: taking.map(({ weight = 1 }) => {
      sum += weight
      return sum / total
    }),
  }
}

function draw({ routes, shares }: Choice, random: () => number): Route | undefined {
  if (routes.length < 2) return routes[0]
  const at = random()
  const i = shares.findIndex((share) => at < share)
  return routes[i === -1 ? routes.length - 1 : i]
}

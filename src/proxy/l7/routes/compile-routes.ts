import { bytesOf } from '../http1/field-values.ts'
import type { RouteRule, WeightedBackend } from './route-rule.ts'
import { type CompiledRule, type HostRules, hostHash, RouteTable } from './route-table.ts'

const HOST_NAME = /^(\*\.)?[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*$|^\[[0-9a-f:.]+\]$/
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** What is wrong with one rule; `field` is a path into it. */
export interface RouteRuleError {
  readonly rule: string
  readonly field: string
  readonly reason: string
}

/** Everything that is wrong with a set of rules. */
export class RouteRulesError extends Error {
  readonly code = 'BAD_ROUTE_RULES'
  readonly errors: readonly RouteRuleError[]

  constructor(errors: readonly RouteRuleError[]) {
    super(errors.map(({ rule, field, reason }) => `${rule}: ${field}: ${reason}`).join('\n'))
    this.name = 'RouteRulesError'
    this.errors = errors
  }
}

/**
 * Makes a table of rules. `targetOf` says where a backend of a rule leads; it is asked once for each.
 *
 * @throws RouteRulesError with all that is wrong.
 */
export function compileRoutes<T>(
  rules: readonly RouteRule[],
  targetOf: (rule: RouteRule, backend: WeightedBackend) => T,
  random: () => number,
): RouteTable<T> {
  const errors = rules.flatMap(routeRuleErrors)
  const names = rules.map(({ name }) => name)
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) !== i) errors.push({ rule: name, field: 'name', reason: 'another rule has this name' })
  }
  if (errors.length > 0) throw new RouteRulesError(errors)
  const byHost = new Map<string, CompiledRule<T>[]>()
  for (const rule of inOrderOfPrecedence(rules)) {
    const compiled = compileRule(rule, targetOf)
    for (const host of new Set(rule.hosts?.map((name) => name.toLowerCase()) ?? [''])) {
      byHost.set(host, [...(byHost.get(host) ?? []), compiled])
    }
  }
  const exact = new Map<number, HostRules<T>[]>()
  const wildcards: HostRules<T>[] = []
  for (const [host, compiled] of byHost) {
    if (host === '') continue
    if (host.startsWith('*.')) wildcards.push({ name: bytesOf(host.slice(1)), rules: compiled })
    else {
      const name = bytesOf(host)
      const hash = hostHash(name, 0, name.length)
      exact.set(hash, [...(exact.get(hash) ?? []), { name, rules: compiled }])
    }
  }
  wildcards.sort((x, y) => y.name.length - x.name.length)
  return new RouteTable(exact, wildcards, byHost.get('') ?? [], random)
}

/** Whether any rule distinguishes paths, so that ambiguous ones must be refused. */
export function readsPaths(rules: readonly RouteRule[]): boolean {
  return rules.some(({ path }) => path !== undefined && !('prefix' in path && path.prefix === '/'))
}

function inOrderOfPrecedence(rules: readonly RouteRule[]): readonly RouteRule[] {
  const exactness = ({ path }: RouteRule): number => (path !== undefined && 'exact' in path ? 1 : 0)
  // `sort` is stable: what is equal stays in the order it was given in.
  return rules.toSorted(
    (x, y) =>
      exactness(y) - exactness(x) ||
      pathOf(y).length - pathOf(x).length ||
      Number(y.methods !== undefined) - Number(x.methods !== undefined) ||
      (y.headers?.length ?? 0) - (x.headers?.length ?? 0),
  )
}

function pathOf({ path }: RouteRule): string {
  if (path === undefined) return ''
  return 'exact' in path ? path.exact : path.prefix.replace(/\/$/, '')
}

function compileRule<T>(rule: RouteRule, targetOf: (rule: RouteRule, backend: WeightedBackend) => T): CompiledRule<T> {
  const backends = rule.backends.filter(({ weight = 1 }) => weight > 0)
  const total = backends.reduce((sum, { weight = 1 }) => sum + weight, 0)
  let sum = 0
  const shares = backends.map(({ weight = 1 }) => {
    sum += weight
    return sum / total
  })
  return {
    path: bytesOf(pathOf(rule)),
    isExact: rule.path !== undefined && 'exact' in rule.path,
    methods: rule.methods?.map(bytesOf),
    headers: (rule.headers ?? []).map(({ name, value }) => ({
      name: bytesOf(name.toLowerCase()),
      value: bytesOf(value),
    })),
    shares: Float64Array.from(shares),
    targets: backends.map((backend) => targetOf(rule, backend)),
  }
}

/** All that is wrong with one rule by itself. */
export function routeRuleErrors(rule: RouteRule): RouteRuleError[] {
  const errors: RouteRuleError[] = []
  const add = (field: string, reason: string): void => {
    errors.push({ rule: rule.name, field, reason })
  }
  if (rule.name === '') add('name', 'is empty')
  if (rule.hosts?.length === 0) add('hosts', 'is empty; leave it out to match every host')
  for (const [i, host] of rule.hosts?.entries() ?? []) {
    if (!HOST_NAME.test(host.toLowerCase())) add(`hosts[${i}]`, `"${host}" is no host name or *.name`)
  }
  const path = rule.path === undefined ? '/' : 'exact' in rule.path ? rule.path.exact : rule.path.prefix
  if (!path.startsWith('/')) add('path', `"${path}" does not start with /`)
  else if (/[^\x21-\x7e]|[?#]/.test(path)) add('path', `"${path}" holds what no path may hold`)
  else if (/\/\/|\/\.{1,2}(\/|$)|\\/.test(path)) add('path', `"${path}" would never match: such paths are refused`)
  if (rule.methods?.length === 0) add('methods', 'is empty; leave it out to match every method')
  for (const [i, method] of rule.methods?.entries() ?? []) {
    if (!TOKEN.test(method)) add(`methods[${i}]`, `"${method}" is no method`)
  }
  for (const [i, { name }] of rule.headers?.entries() ?? []) {
    if (!TOKEN.test(name)) add(`headers[${i}].name`, `"${name}" is no header name`)
  }
  if (rule.backends.length === 0) add('backends', 'is empty')
  else if (rule.backends.every(({ weight = 1 }) => weight === 0)) add('backends', 'all weights are 0')
  for (const [i, { weight = 1 }] of rule.backends.entries()) {
    if (!Number.isFinite(weight) || weight < 0) add(`backends[${i}].weight`, `${weight} is no weight`)
  }
  return errors
}

import { LOWER } from '../http1/byte-classes.ts'
import { equalsWord } from '../http1/field-values.ts'
import type { RequestHead } from '../http1/request-head.ts'

/** A rule made ready for matching. */
export interface CompiledRule<T> {
  readonly path: Uint8Array
  readonly isExact: boolean
  /** undefined: any. */
  readonly methods: readonly Uint8Array[] | undefined
  /** Names in lower case. */
  readonly headers: readonly { readonly name: Uint8Array; readonly value: Uint8Array }[]
  /** Cumulative weights up to 1, one for each target. */
  readonly shares: Float64Array
  readonly targets: readonly T[]
}

/** Rules of one host, those that count first before the others. */
export interface HostRules<T> {
  /** In lower case; of a wildcard what follows the star, with its dot. */
  readonly name: Uint8Array
  readonly rules: readonly CompiledRule<T>[]
}

const COLON = 58
const DOT = 46
const SLASH = 47
const QUESTION = 63
const BRACKET_OPEN = 91
const BRACKET_CLOSE = 93

/**
 * Which of the configured rules a request follows; immutable, swapped as a whole. Precedence as in the Gateway API: an
 * exact host before a wildcard, a longer wildcard before a shorter one; then an exact path before a prefix, a longer
 * one before a shorter one; then a rule with a method; then the one with more headers; then the one named first. The
 * most specific host whose rules match wins; when none of them does, the next one is tried.
 */
export class RouteTable<T> {
  readonly #exact: ReadonlyMap<number, readonly HostRules<T>[]>
  /** Longest first. */
  readonly #wildcards: readonly HostRules<T>[]
  readonly #any: readonly CompiledRule<T>[]
  readonly #random: () => number

  constructor(
    exact: ReadonlyMap<number, readonly HostRules<T>[]>,
    wildcards: readonly HostRules<T>[],
    any: readonly CompiledRule<T>[],
    random: () => number,
  ) {
    this.#exact = exact
    this.#wildcards = wildcards
    this.#any = any
    this.#random = random
  }

  /** Where the request in `b` goes; undefined: no rule matches. Allocates nothing. */
  match(head: RequestHead, b: Uint8Array): T | undefined {
    const hostEnd = endOfHostName(b, head.hostStart, head.hostEnd)
    const exact = this.#exact.get(hostHash(b, head.hostStart, hostEnd))
    if (exact !== undefined) {
      for (let i = 0; i < exact.length; i++) {
        if (!equalsWord(b, head.hostStart, hostEnd, exact[i]!.name)) continue
        const target = this.#first(exact[i]!.rules, head, b)
        if (target !== undefined) return target
      }
    }
    for (let i = 0; i < this.#wildcards.length; i++) {
      const { name, rules } = this.#wildcards[i]!
      const start = hostEnd - name.length
      if (start <= head.hostStart || !equalsWord(b, start, hostEnd, name)) continue
      const target = this.#first(rules, head, b)
      if (target !== undefined) return target
    }
    return this.#first(this.#any, head, b)
  }

  #first(rules: readonly CompiledRule<T>[], head: RequestHead, b: Uint8Array): T | undefined {
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!
      if (matchesPath(rule, head, b) && matchesMethod(rule, head, b) && matchesHeaders(rule, head, b)) {
        return this.#draw(rule)
      }
    }
    return undefined
  }

  #draw({ shares, targets }: CompiledRule<T>): T | undefined {
    if (targets.length < 2) return targets[0]
    const at = this.#random()
    let i = 0
    while (i < shares.length - 1 && at >= shares[i]!) i++
    return targets[i]
  }
}

/** A hash of a host name, whatever its case. */
export function hostHash(b: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5
  for (let p = start; p < end; p++) hash = Math.imul(hash ^ LOWER[b[p]!]!, 0x0100_0193)
  return hash
}

/** Where the name ends and the port begins; a last dot, which says that the name is complete, is left out. */
function endOfHostName(b: Uint8Array, start: number, end: number): number {
  let p = start
  if (b[p] === BRACKET_OPEN) {
    while (p < end && b[p] !== BRACKET_CLOSE) p++
    return Math.min(end, p + 1)
  }
  while (p < end && b[p] !== COLON) p++
  return p > start + 1 && b[p - 1] === DOT ? p - 1 : p
}

function matchesPath<T>(rule: CompiledRule<T>, head: RequestHead, b: Uint8Array): boolean {
  const { path, isExact } = rule
  const { targetStart, targetEnd } = head
  if (path.length === 0 && !isExact) return true
  // `http://host` without a path stands for `/`.
  if (targetStart === targetEnd) return path.length === 1 && path[0] === SLASH
  if (targetEnd - targetStart < path.length) return false
  for (let i = 0; i < path.length; i++) if (b[targetStart + i] !== path[i]) return false
  const next = targetStart + path.length
  if (next === targetEnd || b[next] === QUESTION) return true
  return !isExact && b[next] === SLASH
}

function matchesMethod<T>({ methods }: CompiledRule<T>, head: RequestHead, b: Uint8Array): boolean {
  if (methods === undefined) return true
  const length = head.methodEnd - head.start
  for (let i = 0; i < methods.length; i++) {
    const method = methods[i]!
    if (method.length !== length) continue
    let at = 0
    while (at < length && b[head.start + at] === method[at]) at++
    if (at === length) return true
  }
  return false
}

function matchesHeaders<T>({ headers }: CompiledRule<T>, head: RequestHead, b: Uint8Array): boolean {
  for (let i = 0; i < headers.length; i++) if (!hasHeader(headers[i]!, head, b)) return false
  return true
}

function hasHeader(
  { name, value }: { readonly name: Uint8Array; readonly value: Uint8Array },
  { lines }: RequestHead,
  b: Uint8Array,
): boolean {
  for (let i = 0; i < lines.count; i++) {
    if (!equalsWord(b, lines.nameStart[i]!, lines.nameEnd[i]!, name)) continue
    const start = lines.valueStart[i]!
    if (lines.valueEnd[i]! - start !== value.length) return false
    for (let at = 0; at < value.length; at++) if (b[start + at] !== value[at]) return false
    return true
  }
  return false
}

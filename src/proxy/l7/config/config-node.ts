import { isIP } from 'node:net'
import type { ConfigFaults } from './config-faults.ts'

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
/** Longer than any timer of Node takes: 24 days. */
const DURATION_MS_MAX = 2_000_000_000

/**
 * A value of a configuration with its place. Reading it as something gives that or notes what is wrong and gives
 * undefined, so that reading goes on with what comes after.
 */
export class ConfigNode {
  readonly value: unknown
  readonly path: string
  readonly #faults: ConfigFaults

  constructor(value: unknown, path: string, faults: ConfigFaults) {
    this.value = value
    this.path = path
    this.#faults = faults
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null
  }

  fault(reason: string): undefined {
    return this.#faults.add(this.path, this.isAbsent ? `is missing: ${reason}` : reason)
  }

  /** What is below it, for a fault: `path` may have several steps, such as `hosts[0]`. */
  child(path: string): ConfigNode {
    return new ConfigNode('', this.path === '' ? path : `${this.path}.${path}`, this.#faults)
  }

  /** The same for a path that begins with a place in a list: `[0].name`. */
  place(path: string): ConfigNode {
    return new ConfigNode('', `${this.path}${path}`, this.#faults)
  }

  /** Its entries as nodes; keys that are not among `known` are faults. Missing entries are absent nodes. */
  fields<K extends string>(known: readonly K[]): Readonly<Record<K, ConfigNode>> | undefined {
    const { value } = this
    if (!isRecord(value)) return this.fault(`must be a mapping with ${known.join(', ')}`)
    for (const key of Object.keys(value)) {
      if (known.includes(key as K)) continue
      this.#at(key).fault(`is not known here; there are ${known.join(', ')}`)
    }
    return Object.fromEntries(known.map((key) => [key, this.#at(key)])) as Record<K, ConfigNode>
  }

  /** Of a mapping with keys of the user's choice. */
  entries(what: string): readonly (readonly [string, ConfigNode])[] | undefined {
    const { value } = this
    if (!isRecord(value)) return this.fault(`must be a mapping of ${what}`)
    return Object.keys(value).map((key) => [key, this.#at(key)] as const)
  }

  items(what: string): readonly ConfigNode[] | undefined {
    const { value } = this
    if (!Array.isArray(value) || value.length === 0) return this.fault(`must be a list of ${what}, one at least`)
    return value.map((item: unknown, i) => new ConfigNode(item, `${this.path}[${i}]`, this.#faults))
  }

  text(what: string, pattern = /^[^\0\r\n]+$/): string | undefined {
    const { value } = this
    if (typeof value !== 'string' || !pattern.test(value)) return this.fault(`must be ${what}`)
    return value
  }

  number(least: number, most: number): number | undefined {
    const { value } = this
    if (typeof value !== 'number' || !(value >= least && value <= most)) {
      return this.fault(`must be a number from ${least} to ${most}`)
    }
    return value
  }

  integer(least: number, most: number): number | undefined {
    const { value } = this
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      return this.fault(`must be a whole number from ${least} to ${most}`)
    }
    return value as number
  }

  oneOf<T extends string>(choices: readonly T[]): T | undefined {
    const { value } = this
    if (!choices.includes(value as T)) return this.fault(`must be one of ${choices.join(', ')}`)
    return value as T
  }

  boolean(): boolean | undefined {
    const { value } = this
    return typeof value === 'boolean' ? value : this.fault('must be true or false')
  }

  /** Milliseconds. */
  duration(): number | undefined {
    const { value } = this
    const match = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(value) : null
    const ms = match === null ? Number.NaN : Number(match[1]) * UNIT_MS[match[2]!]!
    if (!(ms > 0 && ms <= DURATION_MS_MAX)) return this.fault('must be a time such as 500ms, 10s, 5m or 1h')
    return ms
  }

  /** `127.0.0.1:8080` or `[::1]:8080`. */
  address(portMin: 0 | 1): { readonly host: string; readonly port: number } | undefined {
    const { value } = this
    const match = typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value) : null
    const host = match?.[1] ?? match?.[2] ?? ''
    const port = Number(match?.[3])
    if (isIP(host) !== (match?.[1] === undefined ? 4 : 6) || !(port >= portMin && port <= 65_535)) {
      return this.fault('must be an IP address and port such as 127.0.0.1:8080 or [::1]:8080')
    }
    return { host, port }
  }

  #at(key: string): ConfigNode {
    const value = isRecord(this.value) && Object.hasOwn(this.value, key) ? this.value[key] : undefined
    const step = /^[\w-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
    const path = this.path === '' && step.startsWith('.') ? key : `${this.path}${step}`
    return new ConfigNode(value, path, this.#faults)
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

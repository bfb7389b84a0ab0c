import { readFileSync } from 'node:fs'
import { writeWhole } from '../runtime/process/write-whole.ts'

/** No address is left in the node's range. */
export class AddressesExhaustedError extends Error {
  constructor(cidr: string) {
    super(`no IP addresses available in range set: ${cidr}`)
    this.name = 'AddressesExhaustedError'
  }
}

function toNumber(ip: string): number {
  return ip.split('.').reduce((value, octet) => value * 256 + Number(octet), 0)
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}

/**
 * Hands out the addresses of a node's pod range, each to one pod at a time, in a circle: an address that was given
 * back comes again only after all the others. The place in the circle outlives the agent in `file`.
 */
export class PodAddresses {
  readonly #cidr: string
  readonly #first: number
  readonly #count: number
  readonly #file: string
  readonly #taken = new Set<number>()
  #last: number

  constructor(cidr: string, file: string) {
    const [base, bits] = cidr.split('/')
    this.#cidr = cidr
    // Neither the range's first and last address nor .1, where other networks have their gateway.
    this.#first = toNumber(base!) + 2
    this.#count = 2 ** (32 - Number(bits)) - 3
    this.#file = file
    this.#last = this.#read()
  }

  /** Marks an address as in use, as of a pod that already runs. */
  reserve(ip: string): void {
    this.#taken.add(toNumber(ip))
  }

  /** The next free address. Throws AddressesExhaustedError. */
  allocate(): string {
    for (let step = 1; step <= this.#count; step++) {
      const candidate = this.#first + ((this.#last - this.#first + step + this.#count) % this.#count)
      if (this.#taken.has(candidate)) continue
      this.#taken.add(candidate)
      this.#last = candidate
      writeWhole(this.#file, toText(candidate))
      return toText(candidate)
    }
    throw new AddressesExhaustedError(this.#cidr)
  }

  release(ip: string): void {
    this.#taken.delete(toNumber(ip))
  }

  #read(): number {
    try {
      const last = toNumber(readFileSync(this.#file, 'latin1').trim())
      if (last >= this.#first && last < this.#first + this.#count) return last
    } catch {
      // The first start of this node.
    }
    return this.#first - 1
  }
}

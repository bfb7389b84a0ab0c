import { StatusError } from '../status-error.ts'
import { parseIndex } from './json-pointer.ts'
import { isPlainObject, setOwn } from './plain-object.ts'

type Container = unknown[] | Record<string, unknown>

/** As deep as parsed JSON may be. */
const DEPTH_MAX = 1_000
/** Values looked at by one patch in all; a bound on time, far above what a request's size allows in earnest. */
const WORK_MAX = 5_000_000

/** A patch that does not fit the document. Kubernetes says no more than the first half of the sentence. */
export function patchFailed(why: string): StatusError {
  return new StatusError('Invalid', `the server rejected our request due to an error in our request: ${why}`, {})
}

/**
 * A document under change: containers are copied once, when first written to, and written in place from then on. The
 * original and all values put in stay as they are.
 */
export class WorkingCopy {
  #root: unknown
  readonly #own = new WeakSet<object>()
  #work = 0

  constructor(document: unknown) {
    this.#root = document
  }

  get root(): unknown {
    return this.#root
  }

  /** Counts work; throws RequestEntityTooLarge when it is far too much. */
  spend(units: number): void {
    this.#work += units
    if (this.#work > WORK_MAX)
      throw new StatusError('RequestEntityTooLarge', 'the JSON patch takes more work than one request may')
  }

  at(tokens: readonly string[], pointer: string): unknown {
    let value = this.#root
    for (const token of tokens) value = this.#child(value, token, pointer)
    return value
  }

  add(tokens: readonly string[], pointer: string, value: unknown): void {
    if (tokens.length + this.#depthOf(value) > DEPTH_MAX) throw patchFailed('the result is nested too deeply')
    if (tokens.length === 0) {
      this.#root = value
      return
    }
    const container = this.#ownedParent(tokens, pointer)
    const token = tokens.at(-1)!
    if (Array.isArray(container)) {
      const index = token === '-' ? container.length : this.#index(container, token, pointer, container.length)
      this.spend(Math.ceil(container.length / 16))
      container.splice(index, 0, value)
    } else setOwn(container, token, value)
  }

  remove(tokens: readonly string[], pointer: string): void {
    if (tokens.length === 0) {
      this.#root = null
      return
    }
    this.at(tokens, pointer)
    const container = this.#ownedParent(tokens, pointer)
    const token = tokens.at(-1)!
    if (Array.isArray(container)) {
      this.spend(Math.ceil(container.length / 16))
      container.splice(Number(token), 1)
    } else delete container[token]
  }

  replace(tokens: readonly string[], pointer: string, value: unknown): void {
    this.at(tokens, pointer)
    if (tokens.length + this.#depthOf(value) > DEPTH_MAX) throw patchFailed('the result is nested too deeply')
    if (tokens.length === 0) {
      this.#root = value
      return
    }
    const container = this.#ownedParent(tokens, pointer)
    const token = tokens.at(-1)!
    if (Array.isArray(container)) container[Number(token)] = value
    else setOwn(container, token, value)
  }

  #child(container: unknown, token: string, pointer: string): unknown {
    if (Array.isArray(container)) return container[this.#index(container, token, pointer, container.length - 1)]
    if (isPlainObject(container) && Object.hasOwn(container, token)) return container[token]
    throw patchFailed(`there is nothing at "${pointer}"`)
  }

  #index(list: readonly unknown[], token: string, pointer: string, most: number): number {
    const index = parseIndex(token)
    if (index === undefined) throw patchFailed(`"${token}" in "${pointer}" is no array index`)
    if (index > most) throw patchFailed(`index ${index} in "${pointer}" is out of bounds (${list.length} elements)`)
    return index
  }

  /** The container that the last token names a place in, copied together with all above it where that is still due. */
  #ownedParent(tokens: readonly string[], pointer: string): Container {
    let container = this.#owned(this.#root, pointer)
    this.#root = container
    for (const token of tokens.slice(0, -1)) {
      const next = this.#owned(this.#child(container, token, pointer), pointer)
      if (Array.isArray(container)) container[Number(token)] = next
      else setOwn(container, token, next)
      container = next
    }
    return container
  }

  #owned(value: unknown, pointer: string): Container {
    if (!Array.isArray(value) && !isPlainObject(value))
      throw patchFailed(`"${pointer}" does not point into an object or array`)
    if (this.#own.has(value)) return value as Container
    const copy: Container = Array.isArray(value) ? [...value] : {}
    if (!Array.isArray(copy)) for (const [key, inner] of Object.entries(value)) setOwn(copy, key, inner)
    this.spend(Object.keys(value).length)
    this.#own.add(copy)
    return copy
  }

  #depthOf(value: unknown): number {
    if (!Array.isArray(value) && !isPlainObject(value)) return 0
    const children: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
    this.spend(children.length)
    let depth = 0
    for (const child of children) depth = Math.max(depth, this.#depthOf(child))
    return depth + 1
  }
}

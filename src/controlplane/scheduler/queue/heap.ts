/** A binary heap with removal by key: the first by `before` comes out first. */
export class Heap<T extends { readonly key: string }> {
  readonly #items: T[] = []
  readonly #positions = new Map<string, number>()
  readonly #before: (a: T, b: T) => boolean

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): T | undefined {
    return this.#items[0]
  }

  get(key: string): T | undefined {
    const at = this.#positions.get(key)
    return at === undefined ? undefined : this.#items[at]
  }

  /** Puts an item in; one with the same key is replaced. */
  push(item: T): void {
    this.remove(item.key)
    this.#items.push(item)
    this.#positions.set(item.key, this.#items.length - 1)
    this.#up(this.#items.length - 1)
  }

  pop(): T | undefined {
    const first = this.#items[0]
    if (first !== undefined) this.remove(first.key)
    return first
  }

  remove(key: string): T | undefined {
    const at = this.#positions.get(key)
    if (at === undefined) return undefined
    const removed = this.#items[at]!
    const last = this.#items.pop()!
    this.#positions.delete(key)
    if (last !== removed) {
      this.#put(last, at)
      this.#up(at)
      this.#down(this.#positions.get(last.key)!)
    }
    return removed
  }

  #put(item: T, at: number): void {
    this.#items[at] = item
    this.#positions.set(item.key, at)
  }

  #up(from: number): void {
    let at = from
    const item = this.#items[at]!
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!this.#before(item, this.#items[above]!)) break
      this.#put(this.#items[above]!, at)
      at = above
    }
    this.#put(item, at)
  }

  #down(from: number): void {
    let at = from
    const item = this.#items[at]!
    for (;;) {
      let below = at * 2 + 1
      if (below >= this.#items.length) break
      if (below + 1 < this.#items.length && this.#before(this.#items[below + 1]!, this.#items[below]!)) below += 1
      if (!this.#before(this.#items[below]!, item)) break
      this.#put(this.#items[below]!, at)
      at = below
    }
    this.#put(item, at)
  }
}

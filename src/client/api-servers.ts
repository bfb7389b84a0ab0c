/**
 * The API servers of a cluster as its clients know them, and which one they use: one until it fails, then the next in
 * turn. Several transports of a process may share one of these, and so what one of them finds out.
 */
export class ApiServers {
  #urls: readonly string[]
  #current: string

  /** `https://host:port`, at least one; the first is used first. */
  constructor(urls: readonly [string, ...string[]]) {
    this.#urls = [...new Set(urls)]
    this.#current = urls[0]
  }

  get all(): readonly string[] {
    return this.#urls
  }

  get current(): string {
    return this.#current
  }

  /** `failed` does not answer: the next one is used. Nothing happens when another caller has moved on already. */
  moveOn(failed: string): void {
    if (failed !== this.#current) return
    this.#current = this.#urls[(this.#urls.indexOf(failed) + 1) % this.#urls.length]!
  }

  /** Takes over what the cluster says. The one in use stays in use if it is named; nobody is left without any. */
  replace(urls: readonly string[]): void {
    if (urls.length === 0) return
    this.#urls = [...new Set(urls)]
    if (!this.#urls.includes(this.#current)) this.#current = this.#urls[0]!
  }
}

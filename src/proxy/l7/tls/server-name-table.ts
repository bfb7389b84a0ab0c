/** A value for the server names it is for. */
export interface NamedEntry<T> {
  /** Lower case; `*.` at the front stands for one label. */
  readonly serverNames: readonly string[]
  readonly value: T
}

/** Finds by a server name: the whole name first, then the one with `*` for its first label (RFC 9525 §6.3). */
export class ServerNameTable<T> {
  readonly #byName = new Map<string, T>()

  /** Where several are for one name, the first is. */
  constructor(entries: readonly NamedEntry<T>[]) {
    for (const { serverNames, value } of entries) {
      for (const name of serverNames) if (!this.#byName.has(name)) this.#byName.set(name, value)
    }
  }

  find(serverName: string): T | undefined {
    const name = serverName.toLowerCase()
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const dot = name.indexOf('.')
    return dot <= 0 ? undefined : this.#byName.get(`*${name.slice(dot)}`)
  }
}

/** How many nodes a zone has, and how many of them are ready. */
export interface ZoneCount {
  readonly nodes: number
  readonly ready: number
}

interface Entry {
  readonly zone: string
  readonly ready: boolean
}

/** Counts nodes by zone and readiness as they change, so that a look at one node costs the same in every cluster. */
export class NodeCensus {
  readonly #entries = new Map<string, Entry>()
  readonly #zones = new Map<string, { nodes: number; ready: number }>()
  #ready = 0

  set(name: string, zone: string, ready: boolean): void {
    this.delete(name)
    this.#entries.set(name, { zone, ready })
    this.#count({ zone, ready }, 1)
  }

  delete(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#count(entry, -1)
  }

  zone(zone: string): ZoneCount {
    return this.#zones.get(zone) ?? { nodes: 0, ready: 0 }
  }

  /** There are nodes, and none is ready. */
  get allLost(): boolean {
    return this.#entries.size > 0 && this.#ready === 0
  }

  #count({ zone, ready }: Entry, by: 1 | -1): void {
    const count = this.#zones.get(zone) ?? { nodes: 0, ready: 0 }
    count.nodes += by
    if (ready) {
      count.ready += by
      this.#ready += by
    }
    if (count.nodes === 0) this.#zones.delete(zone)
    else this.#zones.set(zone, count)
  }
}

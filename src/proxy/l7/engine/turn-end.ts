interface Flushable {
  flush(): void
}

/**
 * Writes at the end of the event loop's turn what its callbacks have gathered, so that all requests that arrived
 * together leave for their endpoint in one system call.
 */
export class TurnEnd {
  #waiting: Flushable[] = []
  #spare: Flushable[] = []
  #isScheduled = false

  /** To be called once by each until it is flushed. */
  flushLater(member: Flushable): void {
    this.#waiting.push(member)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#flushAll)
  }

  readonly #flushAll = (): void => {
    this.#isScheduled = false
    const members = this.#waiting
    this.#waiting = this.#spare
    for (let i = 0; i < members.length; i++) members[i]!.flush()
    members.length = 0
    this.#spare = members
  }
}

/**
 * Answers many callers with few reads: those who ask while a read is under way share the next one, which begins after
 * all of them asked, so that each gets an answer that is not older than its question.
 */
export class SharedRead<T> {
  readonly #read: () => Promise<T>
  #running: Promise<unknown> | undefined
  #next: Promise<T> | undefined

  constructor(read: () => Promise<T>) {
    this.#read = read
  }

  get(): Promise<T> {
    if (this.#running === undefined) return this.#start()
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      return this.#start()
    })
    return this.#next
  }

  #start(): Promise<T> {
    const reading = this.#read()
    const done = (): void => {
      if (this.#running === settled) this.#running = undefined
    }
    const settled: Promise<void> = reading.then(done, done)
    this.#running = settled
    return reading
  }
}

import { connect, type Socket } from 'node:net'

export interface OpenLoopResult {
  readonly sent: number
  /** Answers a second while requests were being offered. */
  readonly answeredPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
}

const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\n\r\n')
/** Latencies are counted in steps of 10 µs up to 2 s. */
const STEP_MS = 0.01
const STEPS = 200_000

/**
 * Offers `rate` requests a second over `c` kept connections, whether answers come or not. A request's time runs from
 * when it was due, not from when a connection was free for it, so who is slow cannot hide it by taking fewer
 * (coordinated omission). `answerBytes`: length of one answer.
 */
export async function openLoop(
  port: number,
  c: number,
  rate: number,
  seconds: number,
  answerBytes: number,
): Promise<OpenLoopResult> {
  const counts = new Uint32Array(STEPS)
  const dueMs: number[] = []
  let head = 0
  let answers = 0
  const free: Connection[] = []
  const startMs = performance.now()
  const answered = (atMs: number): void => {
    const step = Math.min(STEPS - 1, Math.floor((performance.now() - atMs) / STEP_MS))
    counts[step]! += 1
    answers++
  }
  const connections = await Promise.all(
    Array.from({ length: c }, async () => {
      const connection = new Connection(port, answerBytes, (atMs) => {
        answered(atMs)
        if (head < dueMs.length) connection.ask(dueMs[head++]!)
        else free.push(connection)
      })
      await connection.isOpen
      return connection
    }),
  )
  free.push(...connections)
  const beginMs = performance.now()
  const total = Math.floor(rate * seconds)
  for (let sent = 0; sent < total; ) {
    const nowMs = performance.now()
    while (sent < total && beginMs + (sent * 1_000) / rate <= nowMs) {
      const due = beginMs + (sent++ * 1_000) / rate
      const connection = head === dueMs.length ? free.pop() : undefined
      if (connection === undefined) dueMs.push(due)
      else connection.ask(due)
    }
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  const answeredPerSecond = answers / ((performance.now() - beginMs) / 1_000)
  const giveUpMs = performance.now() + 2_000
  while (free.length < c && performance.now() < giveUpMs) await new Promise((resolve) => setTimeout(resolve, 5))
  // What was never answered took as long as it was waited for.
  for (const { askedMs } of connections) if (askedMs > startMs) answered(askedMs)
  for (; head < dueMs.length; head++) answered(dueMs[head]!)
  for (const connection of connections) connection.close()
  return {
    sent: total,
    answeredPerSecond,
    p50Ms: quantile(counts, 0.5),
    p99Ms: quantile(counts, 0.99),
    p999Ms: quantile(counts, 0.999),
  }
}

class Connection {
  /** When the request under way was due; 0: there is none. */
  askedMs = 0
  readonly isOpen: Promise<void>
  readonly #socket: Socket
  #received = 0

  constructor(port: number, answerBytes: number, onAnswer: (askedMs: number) => void) {
    const buffer = Buffer.alloc(64 * 1024)
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer,
        callback: (count) => {
          this.#received += count
          if (this.#received < answerBytes) return true
          this.#received = 0
          const { askedMs } = this
          this.askedMs = 0
          onAnswer(askedMs)
          return true
        },
      },
    })
    this.#socket.on('error', () => {})
    this.isOpen = new Promise((resolve) => this.#socket.once('connect', () => resolve()))
  }

  ask(dueMs: number): void {
    this.askedMs = dueMs
    this.#socket.write(REQUEST)
  }

  close(): void {
    this.#socket.destroy()
  }
}

function quantile(counts: Uint32Array, part: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  let seen = 0
  for (let step = 0; step < counts.length; step++) {
    seen += counts[step]!
    if (seen >= part * total) return (step + 1) * STEP_MS
  }
  return Number.NaN
}

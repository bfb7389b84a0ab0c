import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { type Engine, openEngine } from '../../../src/controlplane/store/sqlite/engine.ts'
import { numberedValue } from './numbered-value.ts'

const WRITER = fileURLToPath(new URL('./writer.fixture.ts', import.meta.url))

export interface Run {
  /** Whole lines that the writer printed. */
  readonly lines: readonly string[]
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RunOptions {
  readonly path: string
  readonly seed: number
  readonly operations: number
  /** A program in front of the writer, like strace. */
  readonly wrapper?: readonly string[]
  /** SIGKILL this long after the store was opened. */
  readonly killAfterMs?: number
  /** Where compiled code is kept between runs, so that they start sooner. */
  readonly cache: string
}

/** Runs the writer to its end, whatever that is. */
export async function runWriter(options: RunOptions): Promise<Run> {
  const { path, seed, operations, wrapper = [], killAfterMs, cache } = options
  const [command, ...words] = [...wrapper, process.execPath, WRITER, path, `${seed}`, `${operations}`]
  const child = spawn(command!, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  })
  let out = ''
  let timer: NodeJS.Timeout | undefined
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk
    if (killAfterMs !== undefined && timer === undefined && out.includes('\n')) {
      timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    }
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  return { lines: out.split('\n').slice(0, -1), code, signal }
}

type Acknowledged = readonly [revision: bigint, key: string, number: number | undefined]

interface Known {
  readonly revision: bigint
  /** The value's number; undefined for a deletion. */
  readonly number: number | undefined
}

/**
 * What was acknowledged over all runs on one store, compared with what the store holds when it is opened again: no
 * acknowledged write is lost, no revision goes back, the file is sound.
 */
export class CrashCheck {
  readonly #path: string
  /** What each key must hold at least: found there after the last run, or acknowledged since. */
  readonly #known = new Map<string, Known>()
  #newest = 1n

  constructor(path: string) {
    this.#path = path
  }

  /** Takes in what a writer said, then looks at what it left. */
  verify({ lines }: Run, what: string): void {
    const changes: Acknowledged[] = []
    for (const line of lines) {
      const [word, number, ...rest] = line.split(' ')
      if (word === 'open') assert(BigInt(number!) >= this.#newest, `${what}: ${line} after ${this.#newest}`)
      if (word !== 'ack') continue
      for (const change of rest) {
        const [key, value] = change.startsWith('-') ? [change.slice(1), undefined] : change.split('=')
        changes.push([BigInt(number!), key!, value === undefined ? undefined : Number(value)])
      }
    }
    for (const [revision, key, number] of changes) {
      const known = this.#known.get(key)
      if (known === undefined || revision > known.revision) this.#known.set(key, { revision, number })
      if (revision > this.#newest) this.#newest = revision
    }
    const engine = openEngine(this.#path, () => performance.now())
    try {
      this.#compare(engine, changes, what)
    } finally {
      engine.close()
    }
    const database = new DatabaseSync(this.#path, { readOnly: true })
    const verdict = Object.values(database.prepare('PRAGMA integrity_check').get()!)[0]
    database.close()
    assert.equal(verdict, 'ok', what)
  }

  #compare(engine: Engine, changes: readonly Acknowledged[], what: string): void {
    assert(engine.revision >= this.#newest, `${what}: ${engine.revision} is before ${this.#newest}`)
    const history = historyOf(engine)
    const items = new Map(engine.list('', {}).items.map((item) => [item.key, item]))
    for (const [key, { revision, number }] of this.#known) {
      const item = items.get(key)
      // A later write that nobody was told of may be there or not.
      if (item !== undefined && item.modRevision > revision) continue
      const later = [...history].some(([at, written]) => at > revision && written.has(`-${key}`))
      if (number === undefined || later) assert.equal(item, undefined, `${what}: ${key} was deleted`)
      else {
        assert.equal(item?.modRevision, revision, `${what}: ${key} of ${revision}`)
        assert(numberedValue(number).equals(item.value), `${what}: the value of ${key} at ${revision}`)
      }
    }
    for (const [revision, key, number] of changes) {
      // A deletion of nothing leaves no trace, and neither does what was compacted.
      if (revision <= engine.compacted || number === undefined) continue
      assert(history.get(revision)?.has(key), `${what}: history lacks ${key} at ${revision}`)
    }
    this.#known.clear()
    for (const { key, value, modRevision } of items.values()) {
      const number = Number(Buffer.from(value).toString().split('|')[0])
      this.#known.set(key, { revision: modRevision, number })
    }
    this.#newest = engine.revision
  }
}

/** What is left of history: the keys written at each revision, deleted ones with a minus. */
function historyOf(engine: Engine): ReadonlyMap<bigint, ReadonlySet<string>> {
  const history = new Map<bigint, Set<string>>()
  for (let next = engine.compacted + 1n; ; ) {
    const { entries, upTo, complete } = engine.history('', next)
    for (const { key, modRevision, value } of entries) {
      const written = history.get(modRevision) ?? new Set()
      history.set(modRevision, written.add(value === undefined ? `-${key}` : key))
    }
    if (complete) return history
    next = upTo + 1n
  }
}

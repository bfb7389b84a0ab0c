/**
 * Writes to a store until it is killed: `writer.fixture.ts PATH SEED OPERATIONS`. Each line on standard output says one
 * thing that is certain by then: `open REVISION`, `ack REVISION key=value… -key…` (values by their number, see
 * `numberedValue`), `compacted REVISION`, `failed CODE`, `done`.
 */
import { writeSync } from 'node:fs'
import { argv, exit } from 'node:process'
import { openSqliteStore } from '../../../src/controlplane/store/sqlite-store.ts'
import { StoreError } from '../../../src/controlplane/store/store.ts'
import { numberedValue } from './numbered-value.ts'

const WRITERS = 8
const PAUSE = new Int32Array(new SharedArrayBuffer(4))
const [path, seed, operations] = [argv[2]!, Number(argv[3]), Number(argv[4])]

/** Mulberry32. */
function createRandom(start: number): () => number {
  let a = start
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Whole lines at once: a parent that is slow to read is waited for, and never sees half an acknowledgement. */
const say = (line: string): void => {
  let rest = Buffer.from(`${line}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(PAUSE, 0, 0, 1)
    }
  }
}
const failed = (error: unknown): never => {
  say(`failed ${error instanceof StoreError ? error.code : String(error)}`)
  exit(3)
}

const random = createRandom(seed)
const store = await openSqliteStore({ path, onFailure: failed }).catch(failed)
say(`open ${await store.currentRevision()}`)
let left = operations
let number = 0

async function write(writer: number): Promise<void> {
  while (left-- > 0) {
    // Writers share no keys, so that acknowledgements of one key come in the order of their revisions.
    const keys = [...new Set(Array.from({ length: 1 + Math.floor(random() * 3) }, () => Math.floor(random() * 8)))]
    const puts = keys.map((key) => ({ key: `/w${writer}/${key}`, number: seed * 10_000 + number++ }))
    const deletes = random() < 0.3 ? puts.splice(0, 1).map(({ key }) => key) : []
    const { revision } = await store.commit({
      expect: [],
      puts: puts.map((put) => ({ key: put.key, value: numberedValue(put.number) })),
      deletes,
    })
    const words = [...puts.map((put) => `${put.key}=${put.number}`), ...deletes.map((key) => `-${key}`)]
    say(`ack ${revision} ${words.join(' ')}`)
    if (random() < 0.02) {
      const compacted = revision - 20n
      if (compacted > 0n) await store.compact(compacted).then(() => say(`compacted ${compacted}`))
    }
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer))).catch(failed)
await store.close()
say('done')
exit(0)

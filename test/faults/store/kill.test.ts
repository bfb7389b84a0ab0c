import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { storeDirectory } from '../../unit/store/store-directory.ts'
import { CrashCheck, type Run, runWriter } from './crash-check.ts'

/** How many times the writer is killed; `WHERRY_KILLS=10000` for the long run. */
const KILLS = Number(process.env.WHERRY_KILLS ?? 100)
const SEED = Number(process.env.WHERRY_SEED ?? 1)
const LANES = 2

const directory = storeDirectory()
const cache = join(directory, 'cache')

describe('a store whose process is killed', () => {
  it(`loses no acknowledged write and takes no revision back over ${KILLS} kills at random moments`, async () => {
    const lane = async (number: number): Promise<number> => {
      const path = join(directory, `lane-${number}`, 'wherry.db')
      const check = new CrashCheck(path)
      let acknowledged = 0
      for (let i = number; i < KILLS; i += LANES) {
        const seed = SEED * 100_000 + i
        const killAfterMs = (seed * 7_919) % 120
        const run = await runWriter({ path, seed, operations: 1_000_000, killAfterMs, cache })
        assert.equal(run.signal, 'SIGKILL', `${run.lines.at(-1)}`)
        acknowledged += run.lines.filter((line) => line.startsWith('ack')).length
        check.verify(run, `seed ${seed}, killed after ${killAfterMs} ms (WHERRY_SEED=${SEED} WHERRY_KILLS=${i + 1})`)
      }
      return acknowledged
    }
    const acknowledged = await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)))
    assert(Math.min(...acknowledged) > KILLS, `${acknowledged} writes were acknowledged`)
  })
})

const noStrace = spawnSync('strace', ['-V']).status === 0 ? undefined : 'needs strace (Debian package strace)'

/** Runs the writer under strace, which does `what` to the n-th of these calls of each thread. */
function injected(path: string, seed: number, calls: string, what: string, nth: string): Promise<Run> {
  const wrapper = ['strace', '-f', '--seccomp-bpf', '-qqq', '-o', '/dev/null', '-e', `trace=${calls}`]
  return runWriter({
    path,
    seed,
    operations: 200,
    wrapper: [...wrapper, '-e', `inject=${calls}:${what}:when=${nth}`],
    cache,
  })
}

/** A store of its own with something in it. */
async function filledStore(name: string): Promise<{ readonly path: string; readonly check: CrashCheck }> {
  const template = join(directory, 'filled')
  filled ??= runWriter({ path: join(template, 'wherry.db'), seed: 5, operations: 60, cache })
  assert.equal((await filled).lines.at(-1), 'done')
  cpSync(template, join(directory, name), { recursive: true })
  const path = join(directory, name, 'wherry.db')
  const check = new CrashCheck(path)
  check.verify(await filled, 'before')
  return { path, check }
}
let filled: Promise<Run> | undefined

describe('a store whose process is killed at a system call', () => {
  const POINTS: Readonly<Record<string, readonly number[]>> = {
    pwrite64: [1, 2, 5, 9, 10, 12, 13, 14, 21, 34, 55, 89, 377],
    'fsync,fdatasync': [1, 2, 3, 4, 5, 8, 13, 21],
    ftruncate: [1, 2],
    'unlink,unlinkat': [1, 2],
  }
  for (const [calls, points] of Object.entries(POINTS)) {
    it(`loses nothing at ${calls}`, { skip: noStrace }, async () => {
      let killed = 0
      for (const nth of points) {
        const { path, check } = await filledStore(`kill-${calls}-${nth}`)
        // The second time on what the first end left.
        for (const seed of [nth, nth + 1_000]) {
          const run = await injected(path, seed, calls, 'signal=SIGKILL', `${nth}`)
          if (run.lines.at(-1) !== 'done') killed += 1
          check.verify(run, `${calls} ${nth}, seed ${seed}`)
        }
      }
      assert(killed > 0, 'the call happens at least once')
    })
  }
})

describe('a store whose disk fails', () => {
  for (const [calls, points] of Object.entries({ 'fsync,fdatasync': [3, 4, 7, 20], pwrite64: [10, 20, 60, 200] })) {
    for (const nth of points) {
      it(`ends at the first EIO and acknowledges nothing after it: ${calls} ${nth}`, { skip: noStrace }, async () => {
        const { path, check } = await filledStore(`eio-${calls}-${nth}`)
        // From then on every such call would succeed again: only a store that stopped for good acknowledges no more.
        const run = await injected(path, nth, calls, 'error=EIO', `${nth}`)
        assert.equal(run.code, 3, run.lines.at(-1))
        assert.equal(run.lines.at(-1), 'failed failed')
        check.verify(run, `EIO at ${calls} ${nth}`)
        const after = await runWriter({ path, seed: 6, operations: 40, cache })
        assert.equal(after.lines.at(-1), 'done')
        check.verify(after, 'after')
      })
    }
  }
})

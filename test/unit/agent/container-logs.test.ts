import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { thinMarks } from '../../../src/agent/runtime/logs/log-index.ts'
import { readLog } from '../../../src/agent/runtime/logs/read-log.ts'
import { eventually } from '../../harness/eventually.ts'
import { container, endOf, logText, POD_UID, startRuntime } from './runtime-fixture.ts'

const node = (script: string): string[] => ['node', '-e', script]

test('tail, limit and the last line without a line feed', async (t) => {
  const { runtime } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(node('process.stdout.write("one\\ntwo\\nthree\\nfour")')))
  await endOf(runtime, id)
  assert.equal(await logText(runtime, id), 'one\ntwo\nthree\nfour')
  assert.equal(await logText(runtime, id, { tailLines: 2 }), 'three\nfour')
  assert.equal(await logText(runtime, id, { tailLines: 0 }), '')
  assert.equal(await logText(runtime, id, { tailLines: 99 }), 'one\ntwo\nthree\nfour')
  assert.equal(await logText(runtime, id, { limitBytes: 5 }), 'one\nt')
})

test('since and timestamps follow the time the output was seen', async (t) => {
  const { runtime, again } = await startRuntime(t)
  const { id } = await runtime.startContainer(
    container(node('console.log("early"); setTimeout(() => console.log("late"), 1200)')),
  )
  const began = Date.now()
  await endOf(runtime, id)
  for (const one of [runtime, again()]) {
    const text = await logText(one, id, { timestamps: true })
    const [early, late] = text
      .split('\n')
      .map((line) => ({ at: Date.parse(line.split(' ')[0]!), text: line.split(' ')[1] }))
    assert.deepEqual([early!.text, late!.text], ['early', 'late'])
    assert.ok(late!.at - early!.at >= 1000, text)
    assert.ok(early!.at >= began - 1000, text)
    assert.equal(await logText(one, id, { sinceMs: late!.at }), 'late\n')
    assert.equal(await logText(one, id, { sinceMs: late!.at + 60_000 }), '')
  }
})

test('follow ends with the container and misses nothing', async (t) => {
  const { runtime } = await startRuntime(t)
  const script = 'let i = 0; const t = setInterval(() => { console.log(i); if (++i === 100) clearInterval(t) }, 5)'
  const { id } = await runtime.startContainer(container(node(script)))
  const text = await logText(runtime, id, { follow: true })
  assert.equal(text, Array.from({ length: 100 }, (_, i) => `${i}\n`).join(''))
})

test('follow ends when its reader leaves', async (t) => {
  const { runtime } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(node('console.log("up"); setInterval(() => {}, 1000)')))
  const abort = new AbortController()
  const seen: string[] = []
  for await (const part of runtime.logs(id, { follow: true, timestamps: false }, abort.signal)) {
    seen.push(Buffer.from(part).toString())
    setTimeout(() => abort.abort(), 50)
  }
  assert.deepEqual(seen, ['up\n'])
})

test('the oldest part of a long log gives its space back without stopping the writer', async (t) => {
  const { runtime, directory } = await startRuntime(t, { bytesMax: 400_000, bytesStep: 100_000 })
  // Every line is numbered, so a lost or doubled one shows.
  const script = `
    const fs = require('fs'); let i = 0
    const t = setInterval(() => { for (let n = 0; n < 200; n++) fs.writeSync(1, String(i++).padStart(99, '.') + '\\n'); if (i >= 20000) { clearInterval(t) } }, 10)`
  const { id } = await runtime.startContainer(container(node(script)))
  await endOf(runtime, id)
  const lines = (await logText(runtime, id))
    .trimEnd()
    .split('\n')
    .map((line) => Number(line.replaceAll('.', '')))
  assert.equal(lines.at(-1), 19_999)
  for (let i = 1; i < lines.length; i++) assert.equal(lines[i], lines[i - 1]! + 1)
  assert.ok(lines.length < 20_000 && lines.length >= 2_900, `${lines.length} lines are kept`)
  await eventually(() => {
    const bytes = statSync(join(directory, POD_UID, 'containers/c/0/log')).blocks * 512
    assert.ok(bytes <= 500_000, `${bytes} bytes on disk`)
    return true
  }, 10_000)
  assert.equal((await logText(runtime, id, { tailLines: 10_000 })).length, lines.length * 100)
})

test('a reader who is overtaken by the giving up of old output goes on with a whole line', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const log = join(directory, 'log')
  const line = (i: number): string => `${String(i).padStart(99, '.')}\n`
  const all = Array.from({ length: 1_000 }, (_, i) => line(i)).join('')
  writeFileSync(log, all)
  const readWith = async (starts: readonly number[]): Promise<string> => {
    let asked = 0
    const start = (): number => starts[Math.min(asked++, starts.length - 1)]!
    const parts: Uint8Array[] = []
    const source = { log, isOpen: () => false, start, grown: async () => {} }
    for await (const part of readLog(source, { follow: false, timestamps: false }, AbortSignal.timeout(10_000)))
      parts.push(part)
    return Buffer.concat(parts).toString()
  }
  assert.equal(await readWith([0]), all)
  // Given up while its first bytes were read: not one of them counts.
  assert.equal(await readWith([0, 450]), all.slice(500))
  // In the middle of a line: what was told is told, and the rest begins on a line of its own.
  const told = 64 * 1024
  assert.notEqual(told % 100, 0)
  assert.equal(await readWith([0, 0, 70_050]), `${all.slice(0, told)}\n${all.slice(70_100)}`)
  assert.equal(await readWith([0, 2 ** 30]), '')
})

test('fewer marks still cover the log without a gap, newest ones untouched', () => {
  for (const count of [4, 5, 6, 7, 100, 101, 102, 103]) {
    const marks = Array.from({ length: count }, (_, i) => ({ offset: i * 10 + 5, end: i * 10 + 15, timeMs: i * i }))
    const thinned = thinMarks(marks)
    assert.ok(thinned.length < count && thinned.length >= count >> 1, `${thinned.length} of ${count}`)
    assert.deepEqual([thinned[0]!.offset, thinned.at(-1)], [5, marks.at(-1)])
    for (let i = 1; i < thinned.length; i++) {
      assert.equal(thinned[i]!.offset, thinned[i - 1]!.end)
      assert.ok(thinned[i]!.timeMs >= thinned[i - 1]!.timeMs)
    }
    assert.deepEqual(thinned.slice(-(count >> 2)), marks.slice(-(count >> 2)))
  }
})

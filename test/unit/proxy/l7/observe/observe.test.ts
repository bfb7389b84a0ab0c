import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../../../../../src/base/virtual-clock.ts'
import { AccessLog } from '../../../../../src/proxy/l7/observe/access-log.ts'
import { recordLine } from '../../../../../src/proxy/l7/observe/record-line.ts'
import { RequestFeed } from '../../../../../src/proxy/l7/observe/request-feed.ts'
import type { RequestRecord } from '../../../../../src/proxy/l7/observe/request-observer.ts'
import { RequestTap } from '../../../../../src/proxy/l7/observe/request-tap.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { answering, get, ok, startBackend, startProxy } from '../engine-fixture.ts'

const RECORD: RequestRecord = {
  atMs: 1_000,
  client: '127.0.0.1',
  method: 'GET',
  host: 'a',
  target: '/',
  status: 200,
  durationMs: 1.23456,
  bytesIn: 10,
  bytesOut: 20,
  route: 'r',
  service: 's',
  endpoint: '127.0.0.1:1',
  tries: 1,
  error: '',
}

function openLog(
  t: TestContext,
  sample: number,
  random = Math.random,
): { readonly log: AccessLog; readonly file: string } {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-log-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'access.log')
  return { log: new AccessLog({ file, sample, random, onError: (error) => assert.fail(error) }), file }
}

test('a line says what applies, and no target breaks it', () => {
  const line = recordLine({ ...RECORD, target: '/"\n\x7f', endpoint: '', error: 'no-route', route: '' })
  assert.equal(line.indexOf('\n'), line.length - 1)
  assert.deepEqual(JSON.parse(line), {
    time: '1970-01-01T00:00:01.000Z',
    client: '127.0.0.1',
    method: 'GET',
    host: 'a',
    target: '/"\n\x7f',
    status: 200,
    bytesIn: 10,
    bytesOut: 20,
    tries: 1,
    durationMs: 1.235,
    error: 'no-route',
  })
})

test('records are handed on together, and what is too much is counted', async () => {
  const clock = new VirtualClock()
  const feed = new RequestFeed(clock)
  const batches: [number, number][] = []
  feed.add((records, dropped) => batches.push([records.length, dropped]))
  for (let i = 0; i < 3; i++) feed.ended(RECORD)
  assert.deepEqual(batches, [])
  feed.flush()
  assert.deepEqual(batches, [[3, 0]])
  for (let i = 0; i < 10_007; i++) feed.ended(RECORD)
  feed.flush()
  assert.deepEqual(batches[1], [10_000, 7])
  feed.flush()
  assert.equal(batches.length, 2)
})

test('a live stream is bounded, and costs nothing when it is closed', () => {
  const feed = new RequestFeed(new VirtualClock())
  const texts: string[] = []
  const tap = new RequestTap(feed, (lines) => texts.push(lines))
  tap.open()
  assert.equal(feed.hasSinks, true)
  for (let i = 0; i < 700; i++) feed.ended(RECORD)
  feed.flush()
  const lines = texts[0]!.trimEnd().split('\n')
  assert.equal(lines.length, 501)
  assert.equal((JSON.parse(lines[500]!) as { lost: number }).lost, 200)
  tap.close()
  assert.equal(feed.hasSinks, false)
})

test('a sampled log holds every failure', async (t) => {
  const { log, file } = openLog(t, 0.5, () => 0.9)
  log.sink([RECORD, { ...RECORD, error: 'no-endpoint' }, RECORD], 2)
  await log.close()
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  assert.equal(lines.length, 2)
  assert.match(lines[0]!, /"error":"no-endpoint"/)
  assert.match(lines[1]!, /"lost":2/)
})

test('a log that was moved away goes on in a new file', async (t) => {
  const { log, file } = openLog(t, 1)
  log.sink([RECORD], 0)
  await eventually(() => readFileSync(file, 'utf8').includes('\n') || undefined, 5_000, 'a line')
  renameSync(file, `${file}.1`)
  log.reopen()
  await eventually(() => readFileSync(file, 'utf8') === '' || undefined, 5_000, 'a new file')
  log.sink([RECORD, RECORD], 0)
  await log.close()
  assert.equal(readFileSync(`${file}.1`, 'utf8').split('\n').length, 2)
  assert.equal(readFileSync(file, 'utf8').split('\n').length, 3)
})

test('the engine tells of answers, refusals and failures', async (t) => {
  const backend = await startBackend(
    t,
    answering((target) => ok(`<${target}>`)),
  )
  const { proxy, client } = await startProxy(t, [backend])
  const records: RequestRecord[] = []
  proxy.engine.context.observer = { ended: (record) => records.push(record) }
  const peer = await client()
  peer.send(get('/one?q=1'))
  await peer.until(/<\/one\?q=1>$/)
  proxy.setEndpoints([])
  peer.send(get('/two'))
  await peer.until(/no-endpoint\n$/)
  peer.send('GET / HTTP/9.9\r\n\r\n')
  await peer.ended()
  assert.equal(records.length, 3)
  const [one, two, three] = records
  assert.deepEqual(
    [one!.target, one!.host, one!.status, one!.endpoint, one!.tries, one!.error],
    ['/one?q=1', 'a', 200, `127.0.0.1:${backend.port}`, 1, ''],
  )
  assert.deepEqual([two!.target, two!.status, two!.endpoint, two!.error], ['/two', 503, '', 'no-endpoint'])
  assert.deepEqual([three!.target, three!.status, three!.error], ['', 505, 'unsupported-version'])
})

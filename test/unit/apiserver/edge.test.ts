import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { loadKubeconfig } from '../../../src/client/load-kubeconfig.ts'
import { openAuditLog, type RequestRecord } from '../../../src/controlplane/apiserver/edge/audit-log.ts'
import { createAesGcmTransformer, ensureSecretEncryption } from '../../../src/controlplane/apiserver/edge/encryption.ts'
import { writeKubeconfig } from '../../../src/controlplane/apiserver/edge/kubeconfig.ts'
import { ensurePki } from '../../../src/controlplane/apiserver/edge/pki.ts'
import { eventually } from '../../harness/eventually.ts'
import { startTestServer } from './server-fixture.ts'

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'wherry-edge-'))
})
after(() => rmSync(directory, { recursive: true, force: true }))

describe('certificates', () => {
  const clock = new VirtualClock(Date.now())
  const options = (addresses: readonly string[] = ['127.99.16.1']): Parameters<typeof ensurePki>[0] => ({
    dataDir: join(directory, 'pki-test'),
    clusterName: 'test',
    apiAddresses: addresses,
    nodes: [{ name: 'node-1', address: '127.99.0.1' }],
    clock,
  })

  test('are made once, for what each is used for, and readable by their owner alone', async () => {
    const pki = await ensurePki(options())
    const ca = new X509Certificate(pki.caPem)
    assert.ok(ca.ca && ca.verify(ca.publicKey))
    const serving = new X509Certificate(pki.apiServer.cert)
    assert.ok(serving.checkIssued(ca) && !serving.ca)
    for (const name of ['localhost', 'kubernetes', 'kubernetes.default.svc']) assert.ok(serving.checkHost(name), name)
    for (const ip of ['127.0.0.1', '127.99.16.1']) assert.ok(serving.checkIP(ip), ip)
    assert.deepEqual(serving.keyUsage, ['1.3.6.1.5.5.7.3.1'])
    const node = new X509Certificate(pki.nodes.get('node-1')!.cert)
    assert.match(node.subject, /O=system:nodes/)
    assert.match(node.subject, /CN=system:node:node-1/)
    assert.ok(node.checkIP('127.99.0.1') && node.checkHost('node-1'))
    const files = readdirSync(join(directory, 'pki-test', 'pki'))
    for (const file of files) assert.equal(statSync(join(directory, 'pki-test', 'pki', file)).mode & 0o77, 0, file)
    const again = await ensurePki(options())
    assert.deepEqual(again, pki)
  })

  test('are renewed when they are about to end or are asked for another address; the authority stays', async () => {
    const before = await ensurePki(options())
    const moved = await ensurePki(options(['127.98.16.1']))
    assert.equal(moved.caPem, before.caPem)
    assert.notEqual(moved.apiServer.cert, before.apiServer.cert)
    assert.equal(moved.admin.cert, before.admin.cert)
    await clock.advance(310 * 24 * 3_600_000)
    const later = await ensurePki(options(['127.98.16.1']))
    assert.equal(later.caPem, before.caPem)
    assert.notEqual(later.admin.cert, before.admin.cert)
    assert.equal(later.serviceAccountKey, before.serviceAccountKey)
  })

  test('that are damaged are made anew', async () => {
    const path = join(directory, 'pki-test', 'pki', 'admin.crt')
    const good = readFileSync(path, 'utf8')
    writeFileSync(path, good.slice(0, 100))
    const pki = await ensurePki(options(['127.98.16.1']))
    assert.ok(new X509Certificate(pki.admin.cert).checkIssued(new X509Certificate(pki.caPem)))
  })
})

test('the kubeconfig holds all a client needs, is private, and is read back by ours', () => {
  const path = join(directory, 'kubeconfig')
  writeKubeconfig({
    path,
    server: 'https://127.0.0.1:1234',
    caPem: 'CA\n',
    certPem: 'CERT\n',
    keyPem: 'KEY\n',
    context: 'wherry',
  })
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(loadKubeconfig(path), { server: 'https://127.0.0.1:1234', ca: 'CA\n', cert: 'CERT\n', key: 'KEY\n' })
  writeFileSync(path, 'apiVersion: v1\nclusters: []\n')
  assert.throws(() => loadKubeconfig(path), /is no kubeconfig that wherry wrote/)
})

describe('encryption at rest', () => {
  const KEY = '/registry/secrets/default/a'
  const first = { name: 'one', secret: Buffer.alloc(32, 1) }
  const second = { name: 'two', secret: Buffer.alloc(32, 2) }
  const prefixes = ['/registry/secrets/']
  const text = Buffer.from('{"kind":"Secret"}')

  test('has the form that kube-apiserver writes', () => {
    const stored = Buffer.from(createAesGcmTransformer([first], prefixes).toStorage(KEY, text))
    assert.equal(stored.toString('latin1', 0, 22), 'k8s:enc:aesgcm:v1:one:')
    assert.equal(stored.length, 'k8s:enc:aesgcm:v1:one:'.length + 12 + text.length + 16)
  })

  test('opens only under its own key, whole, and with its own place as address', () => {
    const transformer = createAesGcmTransformer([first], prefixes)
    const stored = transformer.toStorage(KEY, text)
    assert.deepEqual(Buffer.from(transformer.fromStorage(KEY, stored)), text)
    assert.throws(() => transformer.fromStorage('/registry/secrets/default/b', stored))
    assert.throws(
      () => createAesGcmTransformer([second], prefixes).fromStorage(KEY, stored),
      /a key this cluster does not have/,
    )
    for (let i = 0; i < stored.length; i += 7) {
      const damaged = Buffer.from(stored)
      damaged[i]! ^= 1
      let opened: Uint8Array | undefined
      try {
        opened = transformer.fromStorage(KEY, damaged)
      } catch {
        continue
      }
      // Without its prefix it is taken for what was never encrypted, and is then no object.
      assert.ok(i < 'k8s:enc:'.length && !Buffer.from(opened).equals(text), String(i))
    }
  })

  test('never writes the same bytes twice', () => {
    const transformer = createAesGcmTransformer([first], prefixes)
    assert.notDeepEqual(transformer.toStorage(KEY, text), transformer.toStorage(KEY, text))
  })

  test('writes with the first key and reads with all of them', () => {
    const old = createAesGcmTransformer([first], prefixes).toStorage(KEY, text)
    const rotated = createAesGcmTransformer([second, first], prefixes)
    assert.deepEqual(Buffer.from(rotated.fromStorage(KEY, old)), text)
    assert.match(Buffer.from(rotated.toStorage(KEY, text)).toString('latin1'), /^k8s:enc:aesgcm:v1:two:/)
  })

  test('leaves other objects readable, and refuses what claims to be encrypted there', () => {
    const transformer = createAesGcmTransformer([first], prefixes)
    assert.deepEqual(transformer.toStorage('/registry/pods/a/b', text), text)
    const stored = transformer.toStorage(KEY, text)
    assert.throws(() => transformer.fromStorage('/registry/pods/a/b', stored))
    assert.throws(() => transformer.fromStorage(KEY, Buffer.from('k8s:enc:kms:v2:x:y')))
  })

  test('has a key of its own per cluster, and says so when it is damaged', () => {
    const dataDir = join(directory, 'encryption')
    const stored = ensureSecretEncryption(dataDir).toStorage(KEY, text)
    assert.deepEqual(Buffer.from(ensureSecretEncryption(dataDir).fromStorage(KEY, stored)), text)
    const path = join(dataDir, 'pki', 'encryption.key')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    writeFileSync(path, 'short')
    assert.throws(() => ensureSecretEncryption(dataDir), /does not hold a key of 32 bytes/)
  })
})

describe('the audit log', () => {
  let path: string
  let clock: VirtualClock
  let n = 0
  beforeEach(() => {
    path = join(directory, `audit-${n++}`, 'audit.log')
    clock = new VirtualClock(Date.now())
  })
  const record = (more: Partial<RequestRecord> = {}): RequestRecord => ({
    user: { name: 'jane', groups: ['devs'] },
    verb: 'create',
    method: 'POST',
    path: '/api/v1/namespaces/default/pods',
    status: 201,
    receivedAtMs: clock.now(),
    durationMs: 5,
    ...more,
  })
  const lines = (): Record<string, unknown>[] =>
    readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))

  test('has a line a request, in Kubernetes’ form, in order', async () => {
    const log = openAuditLog({ path, clock, logger: silentLogger })
    const object = { group: '', version: 'v1', resource: 'pods', subresource: '', namespace: 'default', name: 'a' }
    log.record(
      record({ object, sourceIp: '127.0.0.1', userAgent: 'kubectl', impersonated: { name: 'john', groups: [] } }),
    )
    log.record(record({ status: 403 }))
    await log.close()
    const [first, second] = lines()
    assert.deepEqual(
      [first!.kind, first!.apiVersion, first!.level, first!.stage, first!.verb],
      ['Event', 'audit.k8s.io/v1', 'Metadata', 'ResponseComplete', 'create'],
    )
    assert.deepEqual(
      [first!.user, first!.impersonatedUser, first!.sourceIPs],
      [{ username: 'jane', groups: ['devs'] }, { username: 'john', groups: [] }, ['127.0.0.1']],
    )
    assert.equal((first!.objectRef as { name: string }).name, 'a')
    assert.deepEqual(second!.responseStatus, { metadata: {}, code: 403 })
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  test('is written in batches, off the requests’ path', async () => {
    const log = openAuditLog({ path, clock, logger: silentLogger })
    for (let i = 0; i < 100; i++) log.record(record())
    assert.ok(!existsSync(path))
    await clock.advance(200)
    await eventually(() => existsSync(path) && (lines().length === 100 || undefined))
    await log.close()
  })

  test('begins a new file when one is full, and keeps so many', async () => {
    const log = openAuditLog({ path, clock, logger: silentLogger, bytesMax: 2_000, backupsMax: 3 })
    for (let i = 0; i < 8; i++) {
      for (let k = 0; k < 4; k++) log.record(record({ path: `/batch-${i}` }))
      await clock.advance(1_000)
      const isWritten = (): boolean => existsSync(path) && readFileSync(path, 'utf8').includes(`/batch-${i}"`)
      await eventually(() => isWritten() || undefined)
    }
    await log.close()
    const backups = readdirSync(join(path, '..')).filter((name) => name !== 'audit.log')
    assert.equal(backups.length, 3)
  })

  test('that cannot be written costs lines, counted, and no request', async () => {
    const log = openAuditLog({ path: join(directory, 'kubeconfig', 'audit.log'), clock, logger: silentLogger })
    log.record(record())
    await log.close()
    assert.equal(log.dropped, 1)
  })
})

test('events are removed an hour after their last word', async () => {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1))
  const api = await startTestServer({ clock })
  const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString().replace('.000', '')
  const path = '/api/v1/namespaces/default/events'
  const involvedObject = { kind: 'Pod', name: 'p', namespace: 'default' }
  for (const [name, minute] of [
    ['old', 0],
    ['repeated', 50],
  ] as const)
    await api.wire({
      method: 'POST',
      path,
      body: { metadata: { name }, involvedObject, firstTimestamp: at(0), lastTimestamp: at(minute), count: 1 },
    })
  const names = async (): Promise<string> =>
    (await api.wire({ path })).body.items.map((item: { metadata: { name: string } }) => item.metadata.name).join()
  await clock.advance(59 * 60_000)
  assert.equal(await names(), 'old,repeated')
  await clock.advance(3 * 60_000)
  await eventually(async () => ((await names()) === 'repeated' ? true : undefined))
  await clock.advance(60 * 60_000)
  await eventually(async () => ((await names()) === '' ? true : undefined))
  await api.close()
})

test('a file that only its owner may read is replaced whole or not at all', async () => {
  const { writePrivateFile } = await import('../../../src/controlplane/apiserver/edge/atomic-file.ts')
  const path = join(directory, 'private', 'file')
  writePrivateFile(path, 'one')
  chmodSync(path, 0o644)
  writePrivateFile(path, 'two')
  assert.deepEqual([readFileSync(path, 'utf8'), statSync(path).mode & 0o777], ['two', 0o600])
  assert.deepEqual(readdirSync(join(directory, 'private')), ['file'])
})

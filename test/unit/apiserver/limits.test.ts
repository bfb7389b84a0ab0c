import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StatusError } from '../../../src/api/status-error.ts'
import { InFlight } from '../../../src/controlplane/apiserver/in-flight.ts'
import type { User } from '../../../src/controlplane/apiserver/user.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import type { CommitResult } from '../../../src/controlplane/store/store.ts'
import { eventually } from '../../harness/eventually.ts'
import { CONFIG_MAPS_PATH, configMap, startTestServer } from './server-fixture.ts'

const user = (name: string, ...groups: readonly string[]): User => ({
  name,
  groups: [...groups, 'system:authenticated'],
})
const APP = user('system:serviceaccount:default:app', 'system:serviceaccounts')
const NODE = user('system:node:node-1', 'system:nodes')
const PROXY = user('system:kube-proxy')
const ADMIN = user('wherry-admin', 'wherry:admins')
const ROOT = user('root', 'system:masters')

function fill(inFlight: InFlight, verb: string, who: User): number {
  for (let count = 0; ; count++) {
    try {
      inFlight.enter(verb, who)
    } catch (error) {
      assert.ok(error instanceof StatusError)
      assert.deepEqual([error.code, error.reason, error.details?.retryAfterSeconds], [429, 'TooManyRequests', 1])
      return count
    }
    if (count > 10_000) return Number.POSITIVE_INFINITY
  }
}

describe('requests in flight', () => {
  test('are bounded for readers and for writers apart, as kube-apiserver bounds them', () => {
    const inFlight = new InFlight()
    assert.equal(fill(inFlight, 'create', APP), 200)
    assert.equal(fill(inFlight, 'list', APP), 400)
    for (const verb of ['update', 'patch', 'delete', 'deletecollection'])
      assert.equal(fill(inFlight, verb, APP), 0, verb)
  })

  test('of nodes, proxies and administrators have room whatever the others do', () => {
    const inFlight = new InFlight()
    fill(inFlight, 'create', APP)
    fill(inFlight, 'get', APP)
    for (const who of [NODE, PROXY, ADMIN, ROOT]) inFlight.leave(inFlight.enter('update', who))
    assert.equal(fill(inFlight, 'update', ADMIN), 400)
    inFlight.leave(inFlight.enter('update', NODE))
    assert.equal(fill(inFlight, 'update', ROOT), Number.POSITIVE_INFINITY)
  })

  test('make room again when they are done', () => {
    const inFlight = new InFlight()
    const share = inFlight.enter('create', APP)
    fill(inFlight, 'create', APP)
    inFlight.leave(share)
    assert.equal(fill(inFlight, 'create', APP), 1)
  })
})

test('under a flood of writes leases and node status pass, and the rest is told when to come back', async () => {
  const memory = createMemoryStore()
  const waiting: (() => void)[] = []
  let stuck = false
  const api = await startTestServer({
    store: {
      get: (key) => memory.get(key),
      list: (...args) => memory.list(...args),
      watch: (...args) => memory.watch(...args),
      compact: (...args) => memory.compact(...args),
      digest: (...args) => memory.digest(...args),
      currentRevision: () => memory.currentRevision(),
      close: () => memory.close(),
      // A disk that takes its time with what the flood writes.
      commit: async (transaction): Promise<CommitResult> => {
        if (stuck && transaction.puts.some(({ key }) => key.startsWith('/registry/configmaps/')))
          await new Promise<void>((resolve) => waiting.push(resolve))
        return memory.commit(transaction)
      },
    },
  })
  await api.wire({ method: 'POST', path: '/api/v1/nodes', body: { metadata: { name: 'node-1' } } })
  await api.wire({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'kube-node-lease' } } })
  stuck = true
  const flood = Array.from({ length: 1_000 }, (_, i) =>
    api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(`f${i}`), user: APP }),
  )
  await eventually(() => waiting.length === 200 || undefined)

  const lease = await api.wire({
    method: 'POST',
    path: '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
    body: { metadata: { name: 'node-1' } },
    user: NODE,
  })
  assert.equal(lease.status, 201)
  const status = await api.wire({
    method: 'PATCH',
    path: '/api/v1/nodes/node-1/status',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { status: { phase: 'Running' } },
    user: NODE,
  })
  assert.equal(status.status, 200)
  assert.equal((await api.wire({ path: CONFIG_MAPS_PATH, user: ADMIN })).status, 200)
  assert.equal((await api.wire({ path: '/readyz' })).status, 200)

  stuck = false
  for (const go of waiting) go()
  const answers = await Promise.all(flood)
  assert.equal(answers.filter(({ status: code }) => code === 201).length, 200)
  const refused = answers.filter(({ status: code }) => code === 429)
  assert.equal(refused.length, 800)
  assert.deepEqual([refused[0]!.headers['retry-after'], refused[0]!.body.reason], ['1', 'TooManyRequests'])
  assert.equal(
    (await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('after'), user: APP })).status,
    201,
  )
  await api.close()
  assert.deepEqual(api.errors, [])
})

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import type { PodLogSource } from '../../../src/controlplane/apiserver/edge/pod-log-source.ts'
import { createServiceAccountTokens } from '../../../src/controlplane/apiserver/edge/service-account-tokens.ts'
import { startTestServer, type TestServer, type WireAnswer } from './server-fixture.ts'

const PODS = '/api/v1/namespaces/default/pods'
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const BUDGETS = '/apis/policy/v1/namespaces/default/poddisruptionbudgets'
const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts'
const CONTAINERS = [{ name: 'a', image: 'a' }]

let api: TestServer
const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5))
/** What the node was asked, and what it is to answer. */
const asked: string[] = []
let nodeAnswer: Awaited<ReturnType<PodLogSource>> = { status: 200, body: bytes('') }

async function* bytes(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

before(async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  api = await startTestServer({
    clock,
    tokens: createServiceAccountTokens(key, clock),
    logSource: async (node, path) => {
      asked.push(`${node.metadata?.name} ${path}`)
      return nodeAnswer
    },
  })
  await make('/api/v1/nodes', { metadata: { name: 'node-1' } })
})
after(async () => {
  await api.close()
  assert.deepEqual(api.errors, [])
})

const get = (path: string): Promise<WireAnswer> => api.wire({ path })
const post = (path: string, body: unknown): Promise<WireAnswer> => api.wire({ method: 'POST', path, body })
const put = (path: string, body: unknown): Promise<WireAnswer> => api.wire({ method: 'PUT', path, body })
const merge = (path: string, body: unknown): Promise<WireAnswer> =>
  api.wire({ method: 'PATCH', path, headers: { 'content-type': 'application/merge-patch+json' }, body })

async function make(path: string, body: unknown): Promise<WireAnswer['body']> {
  const answer = await post(path, body)
  assert.equal(answer.status, 201, answer.text)
  return answer.body
}

const pod = (name: string, spec: object = {}, labels: object = {}): Promise<WireAnswer['body']> =>
  make(PODS, { metadata: { name, labels }, spec: { containers: CONTAINERS, ...spec } })

describe('status', () => {
  test('is written by its own path alone, and that path writes nothing else', async () => {
    await pod('status')
    const through = await merge(`${PODS}/status`, { status: { phase: 'Running' } })
    assert.equal(through.body.status.phase, 'Pending')
    const own = await merge(`${PODS}/status/status`, { spec: { nodeName: 'x' }, status: { phase: 'Running' } })
    assert.deepEqual([own.body.status.phase, own.body.spec.nodeName], ['Running', undefined])
    assert.deepEqual((await get(`${PODS}/status/status`)).body, own.body)
  })

  test('goes by version as the object does', async () => {
    const old = (await get(`${PODS}/status`)).body
    await merge(`${PODS}/status/status`, { status: { message: 'x' } })
    assert.equal((await put(`${PODS}/status/status`, old)).status, 409)
  })

  test('is there only for kinds that have one, and takes no POST and no DELETE', async () => {
    assert.equal((await get('/api/v1/namespaces/default/configmaps/a/status')).status, 404)
    assert.equal((await post(`${PODS}/status/status`, {})).status, 405)
    assert.equal((await api.wire({ method: 'DELETE', path: `${PODS}/status/status` })).status, 405)
  })
})

describe('scale', () => {
  before(async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: CONTAINERS } }
    await make(DEPLOYMENTS, {
      metadata: { name: 'web' },
      spec: { replicas: 2, selector: { matchLabels: { a: 'b' } }, template },
    })
  })

  test('shows the replicas of any kind in one form', async () => {
    const { body } = await get(`${DEPLOYMENTS}/web/scale`)
    assert.deepEqual(
      [body.kind, body.apiVersion, body.spec, body.status],
      ['Scale', 'autoscaling/v1', { replicas: 2 }, { replicas: 0, selector: 'a=b' }],
    )
  })

  test('changes them by PUT and by patch, and the generation with them', async () => {
    const scale = (await get(`${DEPLOYMENTS}/web/scale`)).body
    assert.equal((await put(`${DEPLOYMENTS}/web/scale`, { ...scale, spec: { replicas: 5 } })).body.spec.replicas, 5)
    assert.equal((await put(`${DEPLOYMENTS}/web/scale`, { ...scale, spec: { replicas: 6 } })).status, 409)
    assert.equal((await merge(`${DEPLOYMENTS}/web/scale`, { spec: { replicas: 7 } })).body.spec.replicas, 7)
    const { body } = await get(`${DEPLOYMENTS}/web`)
    assert.deepEqual([body.spec.replicas, body.metadata.generation], [7, 3])
  })

  test('refuses what makes no sense', async () => {
    const { status, body } = await merge(`${DEPLOYMENTS}/web/scale`, { spec: { replicas: -1 } })
    assert.deepEqual([status, body.details.causes[0].field], [422, 'spec.replicas'])
    assert.equal((await merge(`${DEPLOYMENTS}/web/scale`, { spec: { replicas: 'x' } })).status, 400)
    assert.equal(
      (await put(`${DEPLOYMENTS}/web/scale`, { metadata: { name: 'x' }, spec: { replicas: 1 } })).status,
      400,
    )
    assert.equal(
      (await put(`${DEPLOYMENTS}/web/scale?fieldValidation=Strict`, { spec: { replicas: 1, x: 1 } })).status,
      400,
    )
    assert.equal((await get(`${PODS}/status/scale`)).status, 404)
    assert.equal((await get(`${DEPLOYMENTS}/web`)).body.spec.replicas, 7)
  })

  test('may be tried only', async () => {
    const tried = await api.wire({
      method: 'PATCH',
      path: `${DEPLOYMENTS}/web/scale?dryRun=All`,
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { spec: { replicas: 9 } },
    })
    assert.equal(tried.body.spec.replicas, 9)
    assert.equal((await get(`${DEPLOYMENTS}/web/scale`)).body.spec.replicas, 7)
  })
})

describe('binding', () => {
  const bind = (name: string, target: object, metadata: object = { name }): Promise<WireAnswer> =>
    post(`${PODS}/${name}/binding`, { metadata, target })

  test('puts a pod on a node, once', async () => {
    await pod('bound')
    const { status, body } = await bind('bound', { kind: 'Node', name: 'node-1' })
    assert.deepEqual([status, body.status], [201, 'Success'])
    const now = (await get(`${PODS}/bound`)).body
    assert.equal(now.spec.nodeName, 'node-1')
    assert.deepEqual(now.status.conditions.find(({ type }: { type: string }) => type === 'PodScheduled').status, 'True')
    const again = await bind('bound', { name: 'node-2' })
    assert.equal(again.status, 409)
    assert.match(again.body.message, /pod bound is already assigned to node "node-1"/)
  })

  test('of two schedulers at once one wins', async () => {
    await pod('raced')
    const answers = await Promise.all(['node-1', 'node-2', 'node-3'].map((name) => bind('raced', { name })))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409])
  })

  test('also by the old way, a collection of bindings', async () => {
    await pod('old')
    const { status } = await post('/api/v1/namespaces/default/bindings', {
      metadata: { name: 'old' },
      target: { name: 'node-1' },
    })
    assert.equal(status, 201)
    assert.equal((await get(`${PODS}/old`)).body.spec.nodeName, 'node-1')
    assert.equal((await get('/api/v1/namespaces/default/bindings')).status, 405)
  })

  test('not of another pod, of one with gates, of one that is going away, or to what is no node', async () => {
    await pod('other')
    assert.equal((await bind('other', { name: 'node-1' }, { name: 'other', uid: 'x' })).status, 409)
    assert.equal((await bind('other', { kind: 'Pod', name: 'x' })).status, 422)
    assert.equal((await bind('other', {})).status, 422)
    assert.equal((await bind('none', { name: 'node-1' })).status, 404)
    await pod('gated', { schedulingGates: [{ name: 'example.com/wait' }] })
    assert.equal((await bind('gated', { name: 'node-1' })).status, 409)
    assert.equal((await get(`${PODS}/bound/binding`)).status, 405)
  })
})

describe('eviction', () => {
  const evict = (name: string, deleteOptions: object = {}): Promise<WireAnswer> =>
    post(`${PODS}/${name}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, deleteOptions })
  const running = async (name: string, labels: object): Promise<void> => {
    await pod(name, { nodeName: 'node-1' }, labels)
    await merge(`${PODS}/${name}/status`, {
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    })
  }
  const budget = async (name: string, labels: object, status: object): Promise<void> => {
    const made = await make(BUDGETS, {
      metadata: { name },
      spec: { minAvailable: 1, selector: { matchLabels: labels } },
    })
    await put(`${BUDGETS}/${name}/status`, { ...made, status: { observedGeneration: 1, ...status } })
  }

  test('is a deletion when no budget covers the pod, and marks it as a disruption', async () => {
    await running('free', { e: 'free' })
    assert.equal((await evict('free')).status, 201)
    const { metadata, status } = (await get(`${PODS}/free`)).body
    assert.equal(metadata.deletionGracePeriodSeconds, 30)
    const target = status.conditions.find(({ type }: { type: string }) => type === 'DisruptionTarget')
    assert.deepEqual([target.status, target.reason], ['True', 'EvictionByEvictionAPI'])
  })

  test('takes from the budget what there is, then refuses with 429 and no time to come back at', async () => {
    await budget('budget', { e: 'b' }, { disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 })
    await running('b1', { e: 'b' })
    await running('b2', { e: 'b' })
    const answers = await Promise.all([evict('b1'), evict('b2')])
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 429])
    const refused = answers.find(({ status }) => status === 429)!
    assert.equal(refused.body.message, "Cannot evict pod as it would violate the pod's disruption budget.")
    assert.equal(refused.body.details.causes[0].reason, 'DisruptionBudget')
    assert.equal(refused.headers['retry-after'], undefined)
    const { status } = (await get(`${BUDGETS}/budget`)).body
    assert.equal(status.disruptionsAllowed, 0)
    assert.equal(Object.keys(status.disruptedPods).length, 1)
  })

  test('waits for a budget that is still being worked on', async () => {
    await budget(
      'fresh',
      { e: 'f' },
      { observedGeneration: 0, disruptionsAllowed: 1, currentHealthy: 1, desiredHealthy: 0, expectedPods: 1 },
    )
    await running('f1', { e: 'f' })
    const { status, body, headers } = await evict('f1')
    assert.deepEqual([status, headers['retry-after']], [429, '10'])
    assert.match(body.details.causes[0].message, /still being processed/)
  })

  test('does not ask the budget about a pod that does not run', async () => {
    await pod('pending', {}, { e: 'b' })
    assert.equal((await evict('pending')).status, 201)
    assert.equal((await get(`${PODS}/pending`)).status, 404)
  })

  test('keeps to its preconditions, its grace and a trial', async () => {
    await running('options', { e: 'o' })
    assert.equal((await evict('options', { preconditions: { uid: 'x' } })).status, 409)
    assert.equal((await evict('options', { dryRun: ['All'] })).status, 201)
    assert.equal((await get(`${PODS}/options`)).body.metadata.deletionTimestamp, undefined)
    await evict('options', { gracePeriodSeconds: 7 })
    assert.equal((await get(`${PODS}/options`)).body.metadata.deletionGracePeriodSeconds, 7)
  })

  test('is refused where two budgets cover the pod', async () => {
    await budget('two-a', { e: 't' }, { disruptionsAllowed: 1, currentHealthy: 1, desiredHealthy: 0, expectedPods: 1 })
    await budget('two-b', { e: 't' }, { disruptionsAllowed: 1, currentHealthy: 1, desiredHealthy: 0, expectedPods: 1 })
    await running('t1', { e: 't' })
    const { status, body } = await evict('t1')
    assert.equal(status, 500)
    assert.match(body.message, /more than one PodDisruptionBudget/)
  })
})

describe('log', () => {
  before(async () => {
    await pod('logs', {
      nodeName: 'node-1',
      containers: [...CONTAINERS, { name: 'b', image: 'b' }],
      initContainers: [{ name: 'i', image: 'i' }],
    })
    await pod('log', { nodeName: 'node-1' })
  })

  test('streams what the node gives, and passes on what was asked', async () => {
    nodeAnswer = { status: 200, body: bytes('one\n', 'two\n') }
    const answer = await get(
      `${PODS}/log/log?follow=true&tailLines=2&timestamps=true&sinceSeconds=5&limitBytes=9&previous=false&token=x`,
    )
    assert.deepEqual([answer.status, answer.headers['content-type'], answer.text], [200, 'text/plain', 'one\ntwo\n'])
    assert.equal(
      asked.at(-1),
      'node-1 /containerLogs/default/log/a?follow=true&previous=false&tailLines=2&sinceSeconds=5&timestamps=true&limitBytes=9',
    )
  })

  test('of the container that is named, init containers too', async () => {
    nodeAnswer = { status: 200, body: bytes('') }
    await get(`${PODS}/logs/log?container=i`)
    assert.equal(asked.at(-1), 'node-1 /containerLogs/default/logs/i?')
  })

  test('asks which container, in the words that kubectl shows', async () => {
    const { status, body } = await get(`${PODS}/logs/log`)
    assert.deepEqual(
      [status, body.message],
      [400, 'a container name must be specified for pod logs, choose one of: [a b] or one of the init containers: [i]'],
    )
    assert.equal((await get(`${PODS}/logs/log?container=x`)).body.message, 'container x is not valid for pod logs')
  })

  test('of a pod on no node is empty; what the node refuses comes as a Status', async () => {
    await pod('nowhere')
    assert.equal((await get(`${PODS}/nowhere/log`)).text, '')
    nodeAnswer = { status: 400, body: bytes('container "a" in pod "log" is waiting to start: ContainerCreating') }
    const { status, body } = await get(`${PODS}/log/log`)
    assert.deepEqual(
      [status, body.kind, body.message],
      [400, 'Status', 'container "a" in pod "log" is waiting to start: ContainerCreating'],
    )
    assert.equal((await get(`${PODS}/none/log`)).status, 404)
    assert.equal((await post(`${PODS}/log/log`, {})).status, 405)
  })
})

describe('token', () => {
  before(async () => {
    await make(ACCOUNTS, { metadata: { name: 'robot' } })
    await pod('robotic', { serviceAccountName: 'robot' })
  })
  const request = (spec: object, name = 'robot'): Promise<WireAnswer> =>
    post(`${ACCOUNTS}/${name}/token`, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec })

  test('is issued for the account, and for a pod that runs under it', async () => {
    const { status, body } = await request({ expirationSeconds: 600, audiences: ['x'] })
    assert.equal(status, 201)
    assert.equal(body.status.expirationTimestamp, '2026-01-02T03:14:05Z')
    const claims = JSON.parse(Buffer.from(body.status.token.split('.')[1], 'base64url').toString())
    assert.deepEqual([claims.sub, claims.aud], ['system:serviceaccount:default:robot', ['x']])
    const bound = await request({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'robotic' } })
    const { pod: named } = JSON.parse(Buffer.from(bound.body.status.token.split('.')[1], 'base64url').toString())[
      'kubernetes.io'
    ]
    assert.equal(named.name, 'robotic')
  })

  test('is refused for too short a time, a pod of another account, and an account that is not there', async () => {
    assert.equal((await request({ expirationSeconds: 60 })).status, 422)
    await pod('foreign')
    assert.equal((await request({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'foreign' } })).status, 400)
    assert.equal((await request({ boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'x' } })).status, 400)
    assert.equal((await request({}, 'nobody')).status, 404)
    assert.equal((await get(`${ACCOUNTS}/robot/token`)).status, 405)
  })
})

describe('what is not there', () => {
  for (const path of ['proxy', 'unknown', '__proto__', 'constructor'])
    test(`pods/${path} is 404`, async () => assert.equal((await get(`${PODS}/log/${path}`)).status, 404))
})

import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { CONFIG_MAPS, LIMIT_RANGES, PODS, RESOURCE_QUOTAS, SERVICES } from '../../../src/api/resource-type.ts'
import { isReason } from '../../../src/api/status-error.ts'
import type { ResourceQuota, Service } from '../../../src/api/types/core-v1.gen.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import type { Store } from '../../../src/controlplane/store/store.ts'
import { eventually } from '../../harness/eventually.ts'
import type { TestServer } from '../apiserver/server-fixture.ts'
import { pod, quota, startAllControllers, startQuotaServer } from './quota-fixture.ts'

const DEFAULT = { namespace: 'default' }
const MERGE = { type: 'application/merge-patch+json' } as const

async function usedOf({ client }: TestServer, name: string): Promise<ResourceQuota['status']> {
  return (await client.get(RESOURCE_QUOTAS, { ...DEFAULT, name })).status
}

function service(name: string, type: string): Service {
  return { metadata: { ...DEFAULT, name }, spec: { type, ports: [{ port: 80 }] } }
}

describe('quotas at admission', () => {
  let test: TestServer
  before(async () => {
    test = await startQuotaServer()
  })
  after(() => test.close())

  it('a quota counts from its first moment', async () => {
    const { client } = test
    await client.create(CONFIG_MAPS, { metadata: { ...DEFAULT, name: 'first' } })
    await client.create(RESOURCE_QUOTAS, quota('maps', { configmaps: '2', 'count/configmaps': '2' }))
    deepEqual((await usedOf(test, 'maps'))?.used, { configmaps: '1', 'count/configmaps': '1' })
    await client.create(CONFIG_MAPS, { metadata: { ...DEFAULT, name: 'second' } })
    await rejects(client.create(CONFIG_MAPS, { metadata: { ...DEFAULT, name: 'third' } }), {
      reason: 'Forbidden',
      code: 403,
      message:
        'configmaps "third" is forbidden: exceeded quota: maps, requested: configmaps=1,count/configmaps=1, used: configmaps=2,count/configmaps=2, limited: configmaps=2,count/configmaps=2',
    })
    await client.delete(RESOURCE_QUOTAS, { ...DEFAULT, name: 'maps' })
    await client.create(CONFIG_MAPS, { metadata: { ...DEFAULT, name: 'third' } })
  })

  it('the object and what it is charged with are one commit', async () => {
    const { client, store } = test
    await client.create(RESOURCE_QUOTAS, quota('pods', { pods: '1' }))
    const created = await client.create(PODS, pod('web'))
    const stored = await store.get('/registry/resourcequotas/default/pods')
    equal(String(stored?.modRevision), created.metadata?.resourceVersion)
    await client.delete(PODS, { ...DEFAULT, name: 'web' }, { gracePeriodSeconds: 0 })
    await client.delete(RESOURCE_QUOTAS, { ...DEFAULT, name: 'pods' })
  })

  it('nothing is charged for what is invalid, there already, or only tried', async () => {
    const { client } = test
    await client.create(RESOURCE_QUOTAS, quota('pods', { pods: '3' }))
    await client.create(PODS, pod('web'))
    await rejects(client.create(PODS, pod('web')), { reason: 'AlreadyExists' })
    await rejects(client.create(PODS, pod('bad', { requests: { cpu: '2' }, limits: { cpu: '1' } })), {
      reason: 'Invalid',
    })
    const dry = await test.wire({
      method: 'POST',
      path: '/api/v1/namespaces/default/pods?dryRun=All',
      headers: { 'content-type': 'application/json' },
      body: { apiVersion: 'v1', kind: 'Pod', ...pod('dry') },
    })
    equal(dry.status, 201)
    deepEqual((await usedOf(test, 'pods'))?.used, { pods: '1' })
    await client.delete(PODS, { ...DEFAULT, name: 'web' }, { gracePeriodSeconds: 0 })
    await client.delete(RESOURCE_QUOTAS, { ...DEFAULT, name: 'pods' })
  })

  it('a trial is refused as the write itself would be', async () => {
    const { client } = test
    await client.create(RESOURCE_QUOTAS, quota('none', { pods: '0' }))
    const dry = await test.wire({
      method: 'POST',
      path: '/api/v1/namespaces/default/pods?dryRun=All',
      headers: { 'content-type': 'application/json' },
      body: { apiVersion: 'v1', kind: 'Pod', ...pod('dry') },
    })
    equal(dry.status, 403)
    await client.delete(RESOURCE_QUOTAS, { ...DEFAULT, name: 'none' })
  })

  it('a change that raises what an object uses is charged', async () => {
    const { client } = test
    await client.create(SERVICES, service('shop', 'ClusterIP'))
    await client.create(RESOURCE_QUOTAS, quota('ports', { 'services.nodeports': '0', services: '5' }))
    const change = { spec: { type: 'NodePort' } }
    await rejects(client.patch(SERVICES, { ...DEFAULT, name: 'shop' }, change, MERGE), {
      message:
        'services "shop" is forbidden: exceeded quota: ports, requested: services.nodeports=1, used: services.nodeports=0, limited: services.nodeports=0',
    })
    await client.delete(RESOURCE_QUOTAS, { ...DEFAULT, name: 'ports' })
  })

  it('an object of the other version of a kind is charged like the first', async () => {
    const { client } = test
    const name = 'count/horizontalpodautoscalers.autoscaling'
    await client.create(RESOURCE_QUOTAS, quota('scalers', { [name]: '0' }))
    for (const version of ['v1', 'v2']) {
      const answer = await test.wire({
        method: 'POST',
        path: `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`,
        headers: { 'content-type': 'application/json' },
        body: {
          apiVersion: `autoscaling/${version}`,
          kind: 'HorizontalPodAutoscaler',
          metadata: { name: 'web' },
          spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
        },
      })
      equal(answer.status, 403, version)
      match(answer.body.message, /exceeded quota: scalers/)
    }
    await client.delete(RESOURCE_QUOTAS, { ...DEFAULT, name: 'scalers' })
  })

  it('limits of the namespace fill in what a quota asks for, and refuse what is outside', async () => {
    const { client } = test
    await client.create(RESOURCE_QUOTAS, quota('cpu', { 'requests.cpu': '1', 'limits.cpu': '2' }))
    await rejects(client.create(PODS, pod('bare')), {
      message: 'pods "bare" is forbidden: failed quota: cpu: must specify limits.cpu for: web; requests.cpu for: web',
    })
    await client.create(LIMIT_RANGES, {
      metadata: { ...DEFAULT, name: 'limits' },
      spec: { limits: [{ type: 'Container', max: { cpu: '1' }, defaultRequest: { cpu: '250m' } }] },
    })
    const made = await client.create(PODS, pod('bare'))
    deepEqual(made.spec?.containers[0]?.resources, { limits: { cpu: '1' }, requests: { cpu: '250m' } })
    equal(made.status?.qosClass, 'Burstable')
    deepEqual((await usedOf(test, 'cpu'))?.used, { 'limits.cpu': '1', 'requests.cpu': '250m' })
    await rejects(client.create(PODS, pod('big', { limits: { cpu: '2' } })), {
      reason: 'Forbidden',
      message: 'pods "big" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
    })
    await client.delete(LIMIT_RANGES, { ...DEFAULT, name: 'limits' })
    await client.delete(RESOURCE_QUOTAS, { ...DEFAULT, name: 'cpu' })
  })
})

describe('quotas counted by their controller', () => {
  let test: TestServer
  let controllers: ReturnType<typeof startAllControllers>
  before(async () => {
    test = await startQuotaServer()
    controllers = startAllControllers(test)
  })
  after(async () => {
    await controllers.close()
    await test.close()
  })

  it('releases what has ended, was deleted, or left a scope; follows a change of the quota; mends its status', async () => {
    const { client } = test
    const until = (want: Readonly<Record<string, string>>): Promise<true> =>
      eventually(async () => {
        deepEqual((await usedOf(test, 'all'))?.used, want)
        return true as const
      })
    await client.create(RESOURCE_QUOTAS, quota('all', { cpu: '4', pods: '4', 'count/pods': '9' }))
    for (const name of ['a', 'b', 'c']) await client.create(PODS, pod(name, { requests: { cpu: '1' } }))
    await until({ 'count/pods': '3', cpu: '3', pods: '3' })
    await client.patch(
      PODS,
      { ...DEFAULT, name: 'a' },
      { status: { phase: 'Failed' } },
      { ...MERGE, subresource: 'status' },
    )
    await until({ 'count/pods': '3', cpu: '2', pods: '2' })
    await client.delete(PODS, { ...DEFAULT, name: 'b' }, { gracePeriodSeconds: 0 })
    await until({ 'count/pods': '2', cpu: '1', pods: '1' })
    await client.patch(
      RESOURCE_QUOTAS,
      { ...DEFAULT, name: 'all' },
      { spec: { hard: { cpu: null, secrets: '3' } } },
      MERGE,
    )
    await until({ 'count/pods': '2', pods: '1', secrets: '0' })
    const wrong = { status: { used: { pods: '4' } } }
    await client.patch(RESOURCE_QUOTAS, { ...DEFAULT, name: 'all' }, wrong, { ...MERGE, subresource: 'status' })
    await until({ 'count/pods': '2', pods: '1', secrets: '0' })
  })
})

/** Follows everything that is committed and holds it against what the quota says. */
function followStore(
  store: Store,
  hard: number,
  stop: AbortSignal,
): { readonly broken: string[]; done: Promise<void> } {
  const broken: string[] = []
  const pods = new Set<string>()
  let used = 0
  const done = (async () => {
    for await (const batch of store.watch('/registry/', 1n, stop)) {
      // A commit is one revision: what it holds is looked at as a whole.
      for (const [i, event] of batch.entries()) {
        if (event.key.startsWith('/registry/pods/')) {
          if (event.type === 'put') pods.add(event.key)
          else pods.delete(event.key)
        }
        if (event.key === '/registry/resourcequotas/default/pods' && event.type === 'put') {
          const object = JSON.parse(Buffer.from(event.value).toString()) as ResourceQuota
          used = Number(object.status?.used?.pods)
        }
        if (batch[i + 1]?.modRevision === event.modRevision) continue
        if (pods.size > hard) broken.push(`${pods.size} pods at ${event.modRevision}`)
        if (used < pods.size) broken.push(`${used} counted of ${pods.size} at ${event.modRevision}`)
      }
    }
  })()
  return { broken, done }
}

describe('a quota under many writers', () => {
  it('is never exceeded and never counts less than there is, whoever creates and deletes at two API servers', async () => {
    const action = fc.record({ server: fc.nat(1), name: fc.nat(11), remove: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(action, { maxLength: 8 }), { minLength: 2, maxLength: 10 }),
        async (clients) => {
          const hard = 5
          const store = createMemoryStore()
          const first = await startQuotaServer({ store })
          const second = await startQuotaServer({ store })
          const controllers = startAllControllers(first)
          const stop = new AbortController()
          try {
            await first.client.create(RESOURCE_QUOTAS, quota('pods', { pods: String(hard) }))
            const { broken, done } = followStore(store, hard, stop.signal)
            const run = async (actions: (typeof clients)[number]): Promise<void> => {
              for (const { server, name, remove } of actions) {
                const { client } = [first, second][server]!
                const ref = { ...DEFAULT, name: `p${name}` }
                try {
                  if (remove) await client.delete(PODS, ref, { gracePeriodSeconds: 0 })
                  else await client.create(PODS, pod(ref.name))
                } catch (error) {
                  const expected = ['Forbidden', 'NotFound', 'AlreadyExists'] as const
                  if (!expected.some((reason) => isReason(error, reason))) throw error
                }
              }
            }
            await Promise.all(clients.map(run))
            const left = await first.client.list(PODS, DEFAULT)
            await eventually(async () => {
              equal((await usedOf(second, 'pods'))?.used?.pods, String(left.items.length))
              return true
            })
            stop.abort()
            await done
            deepEqual(broken, [])
          } finally {
            stop.abort()
            await controllers.close()
            await first.close()
            await second.close()
          }
        },
      ),
      { numRuns: 15 },
    )
  })

  it('holds for a server that has not heard of it', async () => {
    const store = createMemoryStore()
    const first = await startQuotaServer({ store })
    let open = (): void => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    let isHeld = false
    const late: Store = {
      get: (key) => store.get(key),
      list: (prefix, options) => store.list(prefix, options),
      commit: (transaction) => store.commit(transaction),
      compact: (revision) => store.compact(revision),
      digest: (prefix) => store.digest(prefix),
      currentRevision: () => store.currentRevision(),
      close: () => store.close(),
      async *watch(prefix, from, signal) {
        for await (const batch of store.watch(prefix, from, signal)) {
          if (isHeld) await opened
          yield batch
        }
      },
    }
    const second = await startQuotaServer({ store: late })
    try {
      isHeld = true
      await first.client.create(LIMIT_RANGES, {
        metadata: { ...DEFAULT, name: 'limits' },
        spec: { limits: [{ type: 'Container', default: { cpu: '1' } }] },
      })
      await first.client.create(RESOURCE_QUOTAS, quota('none', { 'limits.cpu': '0' }))
      const creating = second.client.create(PODS, pod('web'))
      const refused = rejects(creating, {
        message: /^pods "web" is forbidden: exceeded quota: none, requested: limits\.cpu=1, /,
      })
      await new Promise((resolve) => setImmediate(resolve))
      open()
      await refused
    } finally {
      open()
      await second.close()
      await first.close()
    }
  })

  it('lets exactly as many through as there is room for', async () => {
    const test = await startQuotaServer()
    try {
      await test.client.create(RESOURCE_QUOTAS, quota('pods', { pods: '7' }))
      const names = Array.from({ length: 60 }, (_, i) => `p${i}`)
      const results = await Promise.allSettled(names.map((name) => test.client.create(PODS, pod(name))))
      const made = results.filter(({ status }) => status === 'fulfilled')
      equal(made.length, 7)
      for (const result of results) if (result.status === 'rejected') equal(isReason(result.reason, 'Forbidden'), true)
      equal((await test.client.list(PODS, DEFAULT)).items.length, 7)
    } finally {
      await test.close()
    }
  })
})

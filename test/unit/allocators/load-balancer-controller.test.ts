import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { EVENTS, SERVICES } from '../../../src/api/resource-type.ts'
import type { Service, ServiceSpec } from '../../../src/api/types/core-v1.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createEventRecorder } from '../../../src/client/event-recorder.ts'
import { createInformerFactory } from '../../../src/client/informer-factory.ts'
import { startLoadBalancerController } from '../../../src/controlplane/allocators/load-balancer-controller.ts'
import { eventually } from '../../harness/eventually.ts'
import { type ServiceServer, service, startServiceServer } from './service-server.ts'

const MERGE = { type: 'application/merge-patch+json' } as const
/** Six addresses: .1 to .6 */
const CIDR = '127.70.32.0/29'

interface Controller {
  close(): Promise<void>
}

function startController({ client }: ServiceServer): Controller {
  const common = { client, clock: systemClock, logger: silentLogger, random: Math.random }
  const informers = createInformerFactory(common)
  const events = createEventRecorder({ ...common, component: 'service-controller' })
  const controller = startLoadBalancerController({ ...common, informers, events, cidr: CIDR })
  return {
    async close() {
      await controller.close()
      informers.close()
    },
  }
}

describe('load balancer addresses', () => {
  let server: ServiceServer
  let controller: Controller
  beforeEach(async () => {
    server = await startServiceServer()
    controller = startController(server)
  })
  afterEach(async () => {
    await controller.close()
    await server.close()
  })
  const create = (name: string, spec: Partial<ServiceSpec> = {}): Promise<Service> =>
    server.client.create(SERVICES, service(name, { type: 'LoadBalancer', ...spec }))
  const get = (name: string): Promise<Service> => server.client.get(SERVICES, { namespace: 'default', name })
  const patch = (name: string, spec: object): Promise<Service> =>
    server.client.patch(SERVICES, { namespace: 'default', name }, { spec }, MERGE)
  const remove = (name: string): Promise<void> => server.client.delete(SERVICES, { namespace: 'default', name })
  const ingressOf = ({ status }: Service): readonly string[] =>
    (status?.loadBalancer?.ingress ?? []).map(({ ip = '', ipMode }) => `${ip} ${ipMode}`)
  const address = (name: string): Promise<string> =>
    eventually(async () => ingressOf(await get(name))[0]?.replace(' VIP', ''), 5_000, `an address for ${name}`)
  const events = async (reason: string): Promise<readonly string[]> => {
    const { items } = await server.client.list(EVENTS, { namespace: 'default' })
    const found = items.filter((event) => event.reason === reason)
    return found.map(({ involvedObject, message }) => `${involvedObject?.name}: ${message}`)
  }

  test('every Service gets its own, and people are told', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    for (const name of names) await create(name)
    const given = await Promise.all(names.map(address))
    assert.deepEqual(
      [...given].sort(),
      [1, 2, 3, 4, 5, 6].map((i) => `127.70.32.${i}`),
    )
    await eventually(async () => ((await events('EnsuredLoadBalancer')).length === 6 ? true : undefined), 5_000)
    assert.ok((await events('EnsuringLoadBalancer')).includes('a: Ensuring load balancer'))
    assert.ok((await events('EnsuredLoadBalancer')).includes('a: Ensured load balancer'))
  })

  test('spec.loadBalancerIP is honoured, also when it is asked for later', async () => {
    await create('asking', { loadBalancerIP: '127.70.32.5' })
    assert.equal(await address('asking'), '127.70.32.5')
    await patch('asking', { loadBalancerIP: '127.70.32.2' })
    await eventually(async () => (ingressOf(await get('asking'))[0] === '127.70.32.2 VIP' ? true : undefined), 5_000)
    await create('heir', { loadBalancerIP: '127.70.32.5' })
    assert.equal(await address('heir'), '127.70.32.5')
  })

  test('an address outside the pool or of another Service is refused with an event, and given once it is free', async () => {
    await create('holder', { loadBalancerIP: '127.70.32.3' })
    await address('holder')
    await create('far', { loadBalancerIP: '192.0.2.1' })
    await create('second', { loadBalancerIP: '127.70.32.3' })
    const told = await eventually(async () => {
      const found = await events('SyncLoadBalancerFailed')
      return found.length >= 2 ? found : undefined
    }, 5_000)
    const prefix = 'Error syncing load balancer: failed to ensure load balancer:'
    assert.deepEqual([...told].sort(), [
      `far: ${prefix} 192.0.2.1 is not in the pool ${CIDR}`,
      `second: ${prefix} 127.70.32.3 is the address of default/holder`,
    ])
    assert.deepEqual(ingressOf(await get('second')), [])
    await remove('holder')
    assert.equal(await address('second'), '127.70.32.3')
  })

  test('when the pool is full a Service waits for one to be given back', async () => {
    for (let i = 0; i < 6; i++) await create(`s${i}`)
    const given = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => address(`s${i}`)))
    await create('late')
    const [why] = await eventually(async () => {
      const found = await events('SyncLoadBalancerFailed')
      return found.length > 0 ? found : undefined
    }, 5_000)
    assert.equal(why, `late: Error syncing load balancer: failed to ensure load balancer: the pool ${CIDR} is full`)
    await patch('s3', { type: 'NodePort' })
    assert.equal(await address('late'), given[3])
    assert.deepEqual(ingressOf(await get('s3')), [])
    await eventually(async () => ((await events('DeletedLoadBalancer')).length === 1 ? true : undefined), 5_000)
  })

  test('a Service of a class is left to whoever serves that class', async () => {
    await create('foreign', { loadBalancerClass: 'example.com/lb' })
    await create('ours')
    await address('ours')
    assert.deepEqual(ingressOf(await get('foreign')), [])
  })

  test('a failed status write loses no address', async () => {
    // Whichever commits fail, the controller's among them, all six have one in the end.
    for (let i = 0; i < 6; i++) {
      server.fates.push({ turns: 1, fails: false }, { turns: 1, fails: true }, { turns: 0, fails: i % 2 === 0 })
      await eventually(async () => (await create(`s${i}`).catch(() => undefined)) && true, 5_000)
    }
    const given = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => address(`s${i}`)))
    assert.equal(new Set(given).size, 6)
  })

  test('a Service that is deleted and made anew leaks nothing', async () => {
    for (let round = 0; round < 10; round++) {
      await create('again')
      if (round % 2 === 0) await address('again')
      await remove('again')
    }
    for (let i = 0; i < 6; i++) await create(`s${i}`)
    const given = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => address(`s${i}`)))
    assert.equal(new Set(given).size, 6)
  })

  test('after a restart every Service keeps its address', async () => {
    for (const name of ['a', 'b', 'c']) await create(name)
    const before = await Promise.all(['a', 'b', 'c'].map(address))
    await controller.close()
    // Older and newer ones come while nobody gives out addresses; one that had one goes.
    await create('d', { loadBalancerIP: before[0]! })
    await create('e')
    await remove('c')
    controller = startController(server)
    const fresh = await address('e')
    assert.deepEqual(await Promise.all(['a', 'b'].map(address)), before.slice(0, 2))
    assert.deepEqual(ingressOf(await get('d')), [])
    assert.equal(before.slice(0, 2).includes(fresh), false)
  })

  test('it ends although its copy never came', async () => {
    await controller.close()
    const deaf = new Proxy(server.client, {
      get: (target, property) =>
        property === 'list' ? () => new Promise(() => undefined) : Reflect.get(target, property),
    })
    const cut = startController({ ...server, client: deaf })
    await cut.close()
    controller = startController(server)
  })
})

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SERVICES } from '../../../src/api/resource-type.ts'
import { isReason, StatusError } from '../../../src/api/status-error.ts'
import type { Service, ServiceSpec } from '../../../src/api/types/core-v1.gen.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { type ServiceServer, service, startServiceServer } from './service-server.ts'

const MERGE = { type: 'application/merge-patch+json' } as const

/** The path and reason of every cause, and the whole message, of what a promise is rejected with. */
async function refusal(
  promise: Promise<unknown>,
): Promise<{ readonly paths: readonly string[]; readonly text: string }> {
  try {
    await promise
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    const causes = error.details?.causes ?? []
    return { paths: causes.map(({ field, reason }) => `${reason} ${field}`), text: error.message }
  }
  return assert.fail('it was not refused')
}

describe('addresses of Services', () => {
  let server: ServiceServer
  before(async () => {
    server = await startServiceServer()
  })
  after(() => server.close())
  const create = (name: string, spec: Partial<ServiceSpec> = {}): Promise<Service> =>
    server.client.create(SERVICES, service(name, spec))
  const patch = (name: string, spec: object): Promise<Service> =>
    server.client.patch(SERVICES, { namespace: 'default', name }, { spec }, MERGE)
  const remove = (name: string, parameters = {}): Promise<void> =>
    server.client.delete(SERVICES, { namespace: 'default', name }, parameters)
  /** Whether somebody else could have this address, found out by a dry run. */
  const isFree = async (spec: Partial<ServiceSpec>): Promise<boolean> => {
    try {
      await server.write('POST', '', { dryRun: 'All' }, service('probe', spec))
      return true
    } catch (error) {
      if (isReason(error, 'Invalid')) return false
      throw error
    }
  }

  test('a Service gets an address of the range, a NodePort Service a port as well', async () => {
    const { spec } = await create('plain')
    assert.match(spec?.clusterIP ?? '', /^127\.70\.16\.\d+$/)
    assert.deepEqual(spec?.clusterIPs, [spec?.clusterIP])
    assert.equal(spec?.ports?.[0]?.nodePort, undefined)
    const node = await create('node', { type: 'NodePort' })
    const port = node.spec?.ports?.[0]?.nodePort ?? 0
    assert.ok(port >= 30_000 && port <= 32_767)
  })

  test('requested values are honoured', async () => {
    const made = await create('asking', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      clusterIP: '127.70.16.9',
      ports: [{ port: 80, nodePort: 30_009 }],
      healthCheckNodePort: 30_010,
    })
    assert.equal(made.spec?.clusterIP, '127.70.16.9')
    assert.equal(made.spec?.ports?.[0]?.nodePort, 30_009)
    assert.equal(made.spec?.healthCheckNodePort, 30_010)
  })

  test('a value that another Service has is refused by its path', async () => {
    const ip = await refusal(create('thief', { clusterIP: '127.70.16.9' }))
    assert.deepEqual(ip.paths, ['FieldValueInvalid spec.clusterIPs'])
    assert.equal(
      ip.text,
      'Service "thief" is invalid: spec.clusterIPs: Invalid value: ["127.70.16.9"]: failed to allocate IP 127.70.16.9: provided IP is already allocated',
    )
    const port = await refusal(
      create('thief', {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2, nodePort: 30_009 },
        ],
      }),
    )
    assert.deepEqual(port.paths, ['FieldValueInvalid spec.ports[1].nodePort'])
    assert.match(port.text, /Invalid value: 30009: provided port is already allocated$/)
    const health = await refusal(
      create('thief', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30_010 }),
    )
    assert.deepEqual(health.paths, ['FieldValueInvalid spec.healthCheckNodePort'])
  })

  test('a value outside the range is refused with the range', async () => {
    for (const clusterIP of ['10.0.0.1', '127.70.16.0', '127.70.16.255']) {
      const ip = await refusal(create('far', { clusterIP }))
      assert.deepEqual(ip.paths, ['FieldValueInvalid spec.clusterIPs'])
      assert.ok(
        ip.text.endsWith(
          `failed to allocate IP ${clusterIP}: the provided IP (${clusterIP}) is not in the valid range. The range of valid IPs is 127.70.16.0/24`,
        ),
        ip.text,
      )
    }
    const port = await refusal(create('far', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }))
    assert.deepEqual(port.paths, ['FieldValueInvalid spec.ports[0].nodePort'])
    assert.match(port.text, /provided port is not in the valid range\. The range of valid ports is 30000-32767$/)
  })

  test('a node port where the type has none is a matter of validation, and takes nothing', async () => {
    const { paths } = await refusal(create('odd', { ports: [{ port: 80, nodePort: 30_009 }] }))
    assert.deepEqual(paths, ['FieldValueForbidden spec.ports[0].nodePort'])
  })

  test('two addresses of one family are refused', async () => {
    const { text } = await refusal(
      create('two', { clusterIP: '127.70.16.20', clusterIPs: ['127.70.16.20', '127.70.16.21'] }),
    )
    assert.match(text, /may specify no more than one IP for each IP family/)
    assert.equal(await isFree({ clusterIP: '127.70.16.20' }), true)
  })

  test('a headless Service and an ExternalName have no address', async () => {
    const headless = await create('headless', { clusterIP: 'None' })
    assert.deepEqual(headless.spec?.clusterIPs, ['None'])
    const named = await create('named', { type: 'ExternalName', externalName: 'example.com' })
    assert.equal(named.spec?.clusterIP, undefined)
  })

  test('TCP and UDP on one port share a node port, a requested one or a given one', async () => {
    const asked = await create('dns-asked', {
      type: 'NodePort',
      ports: [
        { name: 'tcp', port: 53, protocol: 'TCP' },
        { name: 'udp', port: 53, protocol: 'UDP', nodePort: 30_053 },
      ],
    })
    assert.deepEqual(
      asked.spec?.ports?.map(({ nodePort }) => nodePort),
      [30_053, 30_053],
    )
    const given = await create('dns-given', {
      type: 'NodePort',
      ports: [
        { name: 'tcp', port: 53, protocol: 'TCP' },
        { name: 'udp', port: 53, protocol: 'UDP' },
        { name: 'web', port: 80, protocol: 'TCP' },
      ],
    })
    const [tcp, udp, web] = (given.spec?.ports ?? []).map(({ nodePort }) => nodePort)
    assert.equal(tcp, udp)
    assert.notEqual(tcp, web)
    // Losing one of the two keeps the number; losing both frees it.
    await patch('dns-asked', { ports: [{ name: 'tcp', port: 53, protocol: 'TCP', nodePort: 30_053 }] })
    assert.equal(await isFree({ type: 'NodePort', ports: [{ port: 1, nodePort: 30_053 }] }), false)
    await patch('dns-asked', { ports: [{ name: 'other', port: 54, protocol: 'TCP', nodePort: 30_054 }] })
    assert.equal(await isFree({ type: 'NodePort', ports: [{ port: 1, nodePort: 30_053 }] }), true)
  })

  test('without node ports for a load balancer none are given, but requested ones are honoured', async () => {
    const made = await create('bare', {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81, nodePort: 30_081 },
      ],
    })
    assert.deepEqual(
      made.spec?.ports?.map(({ nodePort }) => nodePort),
      [undefined, 30_081],
    )
    assert.equal(await isFree({ type: 'NodePort', ports: [{ port: 1, nodePort: 30_081 }] }), false)
  })

  test('a change of type keeps the address, gives and takes ports', async () => {
    const { spec } = await create('changing', { clusterIP: '127.70.16.30' })
    assert.equal(spec?.clusterIP, '127.70.16.30')
    const node = await patch('changing', { type: 'NodePort' })
    const port = node.spec?.ports?.[0]?.nodePort ?? 0
    assert.equal(node.spec?.clusterIP, '127.70.16.30')
    const balanced = await patch('changing', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' })
    assert.equal(balanced.spec?.ports?.[0]?.nodePort, port)
    const health = balanced.spec?.healthCheckNodePort ?? 0
    assert.ok(health >= 30_000)
    const again = await patch('changing', { type: 'ClusterIP' })
    assert.equal(again.spec?.clusterIP, '127.70.16.30')
    assert.equal(again.spec?.ports?.[0]?.nodePort, undefined)
    for (const nodePort of [port, health])
      assert.equal(await isFree({ type: 'NodePort', ports: [{ port: 1, nodePort }] }), true)
    const named = await patch('changing', { type: 'ExternalName', externalName: 'example.com' })
    assert.equal(named.spec?.clusterIP, undefined)
    assert.equal(await isFree({ clusterIP: '127.70.16.30' }), true)
    const back = await patch('changing', { type: 'ClusterIP', externalName: null, clusterIP: '127.70.16.31' })
    assert.equal(back.spec?.clusterIP, '127.70.16.31')
  })

  test('a node port moves from one port of a Service to another', async () => {
    await create('moving', { type: 'NodePort', ports: [{ name: 'a', port: 80, nodePort: 30_180 }] })
    const ports = [
      { name: 'a', port: 80 },
      { name: 'b', port: 81, nodePort: 30_180 },
    ]
    const moved = await patch('moving', { ports })
    const [first, second] = (moved.spec?.ports ?? []).map(({ nodePort }) => nodePort)
    assert.equal(second, 30_180)
    assert.ok(first !== undefined && first !== 30_180)
  })

  test('a dry run gives back what it was shown', async () => {
    const before = [...(await server.client.list(SERVICES)).items].length
    const dry = await server.write('POST', '', { dryRun: 'All' }, service('dry', { type: 'NodePort' }))
    const ports = [{ port: 1, nodePort: dry.spec?.ports?.[0]?.nodePort ?? 0 }]
    assert.equal(await isFree({ type: 'NodePort', clusterIP: dry.spec?.clusterIP ?? '', ports }), true)
    await create('settled', { type: 'NodePort', clusterIP: '127.70.16.40', ports: [{ port: 80, nodePort: 30_040 }] })
    await server.write('DELETE', 'settled', { dryRun: 'All' })
    await server.write('PATCH', 'settled', { dryRun: 'All' }, { spec: { type: 'ClusterIP' } })
    assert.equal(await isFree({ clusterIP: '127.70.16.40' }), false)
    assert.equal(await isFree({ type: 'NodePort', ports: [{ port: 1, nodePort: 30_040 }] }), false)
    assert.equal((await server.client.list(SERVICES)).items.length, before + 1)
  })

  test('a refused, a failed and a late write give back', async () => {
    const wanted = { type: 'NodePort', clusterIP: '127.70.16.50', ports: [{ port: 80, nodePort: 30_050 }] }
    const free = (): Promise<boolean> => isFree(wanted)
    await refusal(create('bad_name', wanted))
    assert.equal(await free(), true)
    server.fates.push({ turns: 0, fails: true })
    await assert.rejects(create('unlucky', wanted), (error) => isReason(error, 'InsufficientStorage'))
    assert.equal(await free(), true)
    await create('first', wanted)
    await assert.rejects(create('first', { clusterIP: '127.70.16.51' }), (error) => isReason(error, 'AlreadyExists'))
    assert.equal(await isFree({ clusterIP: '127.70.16.51' }), true)
    server.fates.push({ turns: 0, fails: true })
    await assert.rejects(remove('first'))
    assert.equal(await free(), false)
    server.fates.push({ turns: 0, fails: true })
    await assert.rejects(patch('first', { type: 'ClusterIP' }))
    assert.equal(await free(), false)
    await remove('first')
    assert.equal(await free(), true)
  })

  test('of two writers of one object the one that is refused does not give back what the other took', async () => {
    await create('contended')
    const { metadata, spec } = await server.client.get(SERVICES, { namespace: 'default', name: 'contended' })
    const asking = { ...spec, type: 'NodePort', ports: [{ ...spec!.ports![0]!, nodePort: 30_060 }] }
    server.fates.push({ turns: 3, fails: false }, { turns: 0, fails: false })
    const results = await Promise.allSettled([
      server.client.update(SERVICES, { metadata, spec: { ...asking, sessionAffinity: 'ClientIP' } }),
      server.client.update(SERVICES, { metadata, spec: asking }),
    ])
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    assert.equal(await isFree({ type: 'NodePort', ports: [{ port: 1, nodePort: 30_060 }] }), false)
    await patch('contended', { type: 'ClusterIP' })
    assert.equal(await isFree({ type: 'NodePort', ports: [{ port: 1, nodePort: 30_060 }] }), true)
  })

  test('a Service that waits for a finalizer keeps its addresses until it is gone', async () => {
    const wanted = { type: 'NodePort', clusterIP: '127.70.16.70', ports: [{ port: 80, nodePort: 30_070 }] }
    for (const [name, subresource] of [
      ['held', ''],
      ['held-by-status', 'status'],
    ] as const) {
      await server.client.create(SERVICES, service(name, wanted, { finalizers: ['example.com/hold'] }))
      await remove(name)
      assert.equal(await isFree(wanted), false)
      await server.client.patch(
        SERVICES,
        { namespace: 'default', name },
        { metadata: { finalizers: null } },
        { ...MERGE, ...(subresource === '' ? {} : { subresource }) },
      )
      assert.equal(await isFree(wanted), true)
    }
  })

  test('a Service that is deleted and made anew at the same moment has what it says', async () => {
    const wanted = { clusterIP: '127.70.16.80' }
    await create('phoenix', wanted)
    server.fates.push({ turns: 2, fails: false }, { turns: 2, fails: false })
    const gone = remove('phoenix')
    const born = (async (): Promise<Service> => {
      for (let i = 0; i < 50; i++) {
        try {
          return await create('phoenix', wanted)
        } catch {
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
      return assert.fail('it could not be made anew')
    })()
    await Promise.all([gone, born])
    assert.equal(await isFree(wanted), false)
    await remove('phoenix')
    assert.equal(await isFree(wanted), true)
  })
})

describe('a range that is used up', () => {
  test('is said to be full, and gives again what comes back', async () => {
    const server = await startServiceServer({
      serviceCidr: '127.70.16.0/29',
      nodePorts: { first: 30_000, last: 30_001 },
    })
    try {
      for (let i = 0; i < 6; i++) await server.client.create(SERVICES, service(`s${i}`))
      const ip = await refusal(server.client.create(SERVICES, service('late')))
      assert.equal(ip.text, 'Internal error occurred: failed to allocate a serviceIP: range is full')
      await server.client.delete(SERVICES, { namespace: 'default', name: 's3' })
      const late = await server.client.create(SERVICES, service('late', { type: 'NodePort' }))
      assert.equal(late.spec?.ports?.length, 1)
      const ports = [
        { name: 'a', port: 80 },
        { name: 'b', port: 81 },
      ]
      const two = { ...late, spec: { ...late.spec, ports: [{ ...late.spec!.ports![0]!, name: 'z' }, ...ports] } }
      const port = await refusal(server.client.update(SERVICES, two as Service))
      assert.equal(port.text, 'Internal error occurred: failed to allocate a nodePort: range is full')
      const one = { ...late, spec: { ...late.spec, ports: [{ ...late.spec!.ports![0]!, name: 'z' }, ports[1]!] } }
      const updated = await server.client.update(SERVICES, one as Service)
      assert.equal(new Set(updated.spec?.ports?.map(({ nodePort }) => nodePort)).size, 2)
    } finally {
      await server.close()
    }
  })
})

describe('repair', () => {
  test('after a crash nothing that a stored Service has is given out again', async () => {
    const store = createMemoryStore()
    const first = await startServiceServer({ store, serviceCidr: '127.70.16.0/28' })
    const asked = { type: 'NodePort', clusterIP: '127.70.16.5', ports: [{ port: 80, nodePort: 31_000 }] }
    await first.client.create(SERVICES, service('kept', asked))
    for (let i = 0; i < 9; i++) await first.client.create(SERVICES, service(`s${i}`))
    const { items: before } = await first.client.list(SERVICES)
    // Not closed: a process that dies closes nothing.
    const second = await startServiceServer({ store, serviceCidr: '127.70.16.0/28' })
    try {
      const taken = await refusal(second.client.create(SERVICES, service('thief', asked)))
      assert.deepEqual(taken.paths, ['FieldValueInvalid spec.clusterIPs', 'FieldValueInvalid spec.ports[0].nodePort'])
      for (let i = 0; i < 4; i++) await second.client.create(SERVICES, service(`t${i}`))
      await refusal(second.client.create(SERVICES, service('one-too-many')))
      const { items } = await second.client.list(SERVICES)
      assert.equal(new Set(items.map(({ spec }) => spec?.clusterIP)).size, before.length + 4)
    } finally {
      await second.close()
      await first.close()
    }
  })

  test('what nobody has at two repairs in a row is free again, and doubled claims are named', async () => {
    const server = await startServiceServer({ serviceCidr: '127.70.16.0/29' })
    const { addresses, client, store } = server
    try {
      const first = await client.create(SERVICES, service('first', { clusterIP: '127.70.16.2' }))
      assert.deepEqual(await addresses.repair(), [])
      // Somebody writes past the API server: the address is held without an object, and one object is there twice.
      const key = '/registry/services/specs/default/first'
      const { value, modRevision } = (await store.get(key))!
      const copy = JSON.parse(Buffer.from(value).toString()) as Service
      const twin = {
        ...copy,
        metadata: { ...copy.metadata, name: 'twin', uid: 'twin', creationTimestamp: '2999-01-01T00:00:00Z' },
      }
      await store.commit({
        expect: [{ key, modRevision }],
        puts: [{ key: '/registry/services/specs/default/twin', value: Buffer.from(JSON.stringify(twin)) }],
        deletes: [],
      })
      await client.get(SERVICES, { namespace: 'default', name: 'twin' })
      const [doubled, ...none] = await addresses.repair()
      assert.match(doubled ?? '', /^127\.70\.16\.2 is claimed by default\/first .* and default\/twin/)
      assert.deepEqual(none, [])
      // The younger of the two may still be changed, and its end does not take the older one's address away.
      await client.patch(
        SERVICES,
        { namespace: 'default', name: 'twin' },
        { spec: { sessionAffinity: 'ClientIP' } },
        MERGE,
      )
      await client.delete(SERVICES, { namespace: 'default', name: 'twin' })
      await refusal(client.create(SERVICES, service('thief', { clusterIP: first.spec!.clusterIP! })))
      await store.commit({ expect: [], puts: [], deletes: [key] })
      await assert.rejects(client.get(SERVICES, { namespace: 'default', name: 'first' }))
      await addresses.repair()
      await refusal(client.create(SERVICES, service('early', { clusterIP: first.spec!.clusterIP! })))
      await addresses.repair()
      await client.create(SERVICES, service('patient', { clusterIP: first.spec!.clusterIP! }))
    } finally {
      await server.close()
    }
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SERVICES } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import type { Service, ServiceSpec } from '../../../src/api/types/core-v1.gen.ts'
import { type ServiceServer, service, startServiceServer } from './service-server.ts'

const NAMES = ['a', 'b', 'c', 'd']
const MERGE = { type: 'application/merge-patch+json' } as const

const nodePort = fc.option(fc.integer({ min: 30_000, max: 30_007 }), { nil: undefined })
const spec = fc.record(
  {
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
    clusterIP: fc.constantFrom(undefined, '', 'None', '127.70.16.2', '127.70.16.3', '127.70.16.4', '10.0.0.1'),
    externalTrafficPolicy: fc.constantFrom(undefined, 'Cluster', 'Local'),
    tcp: nodePort,
    udp: nodePort,
    two: fc.boolean(),
  },
  { requiredKeys: ['type', 'tcp', 'udp', 'two'] },
)
const step = fc.record({
  kind: fc.constantFrom(
    'create',
    'create',
    'update',
    'update',
    'patch',
    'delete',
    'hold',
    'unhold',
    'dryRun',
    'repair',
  ),
  name: fc.constantFrom(...NAMES),
  spec,
  /** How long the store takes, and whether it fails. */
  fate: fc.record({ turns: fc.integer({ min: 0, max: 4 }), fails: fc.boolean() }),
  /** Whether the next step waits for this one. */
  waits: fc.boolean(),
})
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function specOf({ type, clusterIP, externalTrafficPolicy, tcp, udp, two }: Step['spec']): ServiceSpec {
  const external = type === 'NodePort' || type === 'LoadBalancer'
  const port = (name: string, protocol: string, asked: number | undefined) => ({
    name,
    protocol,
    port: 53,
    ...(asked === undefined || !external ? {} : { nodePort: asked }),
  })
  return {
    type,
    ...(clusterIP === undefined || type === 'ExternalName' ? {} : { clusterIP }),
    ...(externalTrafficPolicy === undefined || !external ? {} : { externalTrafficPolicy }),
    ...(type === 'ExternalName' ? { externalName: 'example.com' } : {}),
    ports: [port('tcp', 'TCP', tcp), ...(two ? [port('udp', 'UDP', udp)] : [])],
  }
}

async function run(server: ServiceServer, { kind, name, spec, fate }: Step): Promise<void> {
  const ref = { namespace: 'default', name }
  const { client } = server
  switch (kind) {
    case 'create':
      server.fates.push(fate)
      await client.create(SERVICES, service(name, specOf(spec)))
      return
    case 'update': {
      const { metadata, spec: before } = await client.get(SERVICES, ref)
      server.fates.push(fate)
      const { clusterIP, clusterIPs } = before ?? {}
      const kept = clusterIP === undefined ? {} : { clusterIP, ...(clusterIPs === undefined ? {} : { clusterIPs }) }
      await client.update(SERVICES, { metadata, spec: { ...kept, ...specOf(spec) } } as Service)
      return
    }
    case 'patch':
      server.fates.push(fate)
      await client.patch(SERVICES, ref, { spec: specOf(spec) }, MERGE)
      return
    case 'delete':
      server.fates.push(fate)
      await client.delete(SERVICES, ref)
      return
    case 'hold':
      await client.patch(SERVICES, ref, { metadata: { finalizers: ['example.com/hold'] } }, MERGE)
      return
    case 'unhold':
      await client.patch(SERVICES, ref, { metadata: { finalizers: null } }, MERGE)
      return
    case 'dryRun':
      await server.write('POST', '', { dryRun: 'All' }, service(name, specOf(spec)))
      return
    case 'repair':
      await server.addresses.repair()
  }
}

/** What Services have, each number with those that have it. */
function owners(services: readonly Service[]): Map<string, Set<string>> {
  const result = new Map<string, Set<string>>()
  const put = (what: string, name: string): void => {
    result.set(what, (result.get(what) ?? new Set()).add(name))
  }
  for (const { metadata, spec } of services) {
    const name = metadata?.name ?? ''
    if (spec?.clusterIP && spec.clusterIP !== 'None') put(spec.clusterIP, name)
    for (const port of spec?.ports ?? []) if (port.nodePort) put(`port ${port.nodePort}`, name)
    if (spec?.healthCheckNodePort) put(`port ${spec.healthCheckNodePort}`, name)
  }
  return result
}

test('no two Services ever have one address, and every address that none has can be had again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), fc.integer(), async (steps, seed) => {
      let state = seed >>> 0
      const random = (): number => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return state / 2 ** 32
      }
      const server = await startServiceServer({
        serviceCidr: '127.70.16.0/28',
        nodePorts: { first: 30_000, last: 30_007 },
        random,
      })
      try {
        const running: Promise<void>[] = []
        for (const one of steps) {
          const done = run(server, one).catch((error: unknown) => {
            if (!(error instanceof StatusError)) throw error
            // A range that is full is the only error that is the server's own.
            if (error.code === 500) assert.match(error.message, /range is full$/)
          })
          running.push(done)
          if (one.waits) await done
          const { items } = await server.client.list(SERVICES)
          for (const [what, names] of owners(items)) assert.equal(names.size, 1, `${what}: ${[...names].join()}`)
        }
        await Promise.all(running)
        server.fates.length = 0
        const { items } = await server.client.list(SERVICES)
        const had = owners(items)
        for (const names of had.values()) assert.equal(names.size, 1)
        // Once all is at rest, exactly what no Service has is free.
        for (let i = 1; i <= 14; i++) {
          const clusterIP = `127.70.16.${i}`
          const free = await canHave(server, { clusterIP })
          assert.equal(free, !had.has(clusterIP), `${clusterIP} is ${free ? 'free' : 'taken'}`)
        }
        for (let port = 30_000; port <= 30_007; port++) {
          if (had.size > 0 && [...had.keys()].filter((what) => !what.startsWith('port')).length >= 14) break
          const free = await canHave(server, { type: 'NodePort', ports: [{ port: 80, nodePort: port }] })
          assert.equal(free, !had.has(`port ${port}`), `port ${port} is ${free ? 'free' : 'taken'}`)
        }
      } finally {
        await server.close()
      }
    }),
    { numRuns: 150 },
  )
})

async function canHave(server: ServiceServer, spec: Partial<ServiceSpec>): Promise<boolean> {
  try {
    await server.write('POST', '', { dryRun: 'All' }, service('probe', spec))
    return true
  } catch (error) {
    if (error instanceof StatusError && error.code === 422) return false
    throw error
  }
}

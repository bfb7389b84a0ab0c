import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Service } from '../../../src/api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../../src/api/types/discovery-v1.gen.ts'
import { diffTables } from '../../../src/proxy/table/diff-tables.ts'
import {
  EMPTY_TABLE,
  type Listener,
  type RoutingTable,
  type ServiceRoutes,
} from '../../../src/proxy/table/routing-table.ts'
import { serviceRoutes } from '../../../src/proxy/table/service-routes.ts'
import { updateRoutingTable } from '../../../src/proxy/table/update-routing-table.ts'
import { CONTEXT, POD, service, slice } from './proxy-fixture.ts'

interface World {
  readonly service: Service | undefined
  readonly slices: readonly EndpointSlice[]
}

const endpoint = fc.record({
  address: fc.integer({ min: 1, max: 4 }).map((i) => POD(i)),
  node: fc.constantFrom('test-1', 'test-2'),
  ready: fc.boolean(),
  serving: fc.boolean(),
  terminating: fc.boolean(),
})

/** What may happen to one of four Services that fight for three addresses and two node ports. */
const step = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    exists: fc.boolean(),
    clusterIP: fc.constantFrom('127.127.16.1', '127.127.16.2', '127.127.16.3', 'None'),
    nodePort: fc.constantFrom(undefined, 30001, 30002),
    created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
    policy: fc.constantFrom('Cluster', 'Local'),
    slices: fc.array(fc.array(endpoint, { maxLength: 3 }), { maxLength: 2 }),
  })
  .map(({ name, exists, clusterIP, nodePort, created, policy, slices }): readonly [string, World] => [
    `shop/${name}`,
    {
      service: exists
        ? service(
            name,
            {
              type: nodePort === undefined ? 'ClusterIP' : 'NodePort',
              clusterIP,
              externalTrafficPolicy: policy,
              ports: [{ name: 'http', port: 80, nodePort }],
            },
            { metadata: { namespace: 'shop', name, creationTimestamp: created } },
          )
        : undefined,
      slices: slices.map((endpoints, i) => slice(name, endpoints, undefined, String(i))),
    },
  ])

function routesOf({ service: of, slices }: World): ServiceRoutes {
  return serviceRoutes(of, slices, CONTEXT)
}

function plain(table: RoutingTable): unknown {
  const sorted = (map: ReadonlyMap<string, unknown>): unknown => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  const { services, listeners, contested, addresses, draining } = table
  return [services, listeners, contested, addresses, draining].map(sorted)
}

test('step by step leads to the same table as all at once, in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 12 }), (rounds) => {
      const world = new Map<string, World>()
      let table = EMPTY_TABLE
      for (const round of rounds) {
        for (const [key, state] of round) world.set(key, state)
        table = updateRoutingTable(table, new Map(round.map(([key]) => [key, routesOf(world.get(key)!)])))
      }
      const all = [...world].map(([key, state]) => [key, routesOf(state)] as const)
      assert.deepEqual(plain(table), plain(updateRoutingTable(EMPTY_TABLE, new Map(all))))
      assert.deepEqual(plain(table), plain(updateRoutingTable(EMPTY_TABLE, new Map(all.toReversed()))))
    }),
  )
})

test('each key has one holder: the oldest Service that claims it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const table = updateRoutingTable(EMPTY_TABLE, new Map(steps.map(([key, state]) => [key, routesOf(state)])))
      const claims = [...table.services.values()].flatMap(({ listeners }) => listeners)
      assert.deepEqual(new Set(claims.map(({ key }) => key)), new Set(table.listeners.keys()))
      for (const { key, rank } of claims) assert.ok(table.listeners.get(key)!.rank <= rank)
    }),
  )
})

test('what is draining is ending somewhere and chosen nowhere', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const table = updateRoutingTable(EMPTY_TABLE, new Map(steps.map(([key, state]) => [key, routesOf(state)])))
      const roles = [...table.services.values()].flatMap(({ addresses }) => addresses)
      const chosen = new Set(roles.filter(({ isChosen }) => isChosen).map(({ address }) => address))
      const ending = new Set(roles.filter(({ isTerminating }) => isTerminating).map(({ address }) => address))
      const want = [...ending].filter((address) => !chosen.has(address))
      assert.deepEqual(new Set(table.draining.keys()), new Set(want))
      assert.deepEqual(new Set(table.addresses.keys()), new Set(roles.map(({ address }) => address)))
    }),
  )
})

test('a data plane that follows the differences has exactly the listeners of the table', () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 12 }), (rounds) => {
      const own = new Map<string, Listener>()
      const letGo = new Set<string>()
      let table = EMPTY_TABLE
      for (const round of rounds) {
        const next = updateRoutingTable(table, new Map(round.map(([key, state]) => [key, routesOf(state)])))
        const diff = diffTables(table, next)
        for (const listener of diff.added) {
          assert.ok(!own.has(listener.key))
          own.set(listener.key, listener)
        }
        for (const listener of diff.changed) {
          assert.ok(own.has(listener.key))
          own.set(listener.key, listener)
        }
        for (const { key } of diff.removed) assert.ok(own.delete(key))
        for (const address of diff.takenBack) assert.ok(letGo.delete(address))
        for (const address of diff.letGo) letGo.add(address)
        for (const address of diff.gone) assert.ok(!next.addresses.has(address) && table.addresses.has(address))
        for (const address of diff.come) assert.ok(next.addresses.has(address) && !table.addresses.has(address))
        table = next
        assert.deepEqual(new Map(table.listeners), own)
        assert.deepEqual(new Set(table.draining.keys()), letGo)
      }
    }),
  )
})

test('a change of one Service among many shares all else, and its difference is its own', () => {
  const many = Array.from({ length: 2_000 }, (_, i): readonly [string, World] => {
    const clusterIP = `127.127.${16 + (i >> 8)}.${i & 0xff}`
    return [`shop/s${i}`, { service: service(`s${i}`, { clusterIP }), slices: [slice(`s${i}`, [{ address: POD(1) }])] }]
  })
  const before = updateRoutingTable(EMPTY_TABLE, new Map(many.map(([key, state]) => [key, routesOf(state)])))
  const [key, state] = many[7]!
  const changed = { ...state, slices: [slice('s7', [{ address: POD(2) }])] }
  const after = updateRoutingTable(before, new Map([[key, routesOf(changed)]]))
  const diff = diffTables(before, after)
  assert.deepEqual(
    diff.changed.map((listener) => listener.service),
    [key],
  )
  assert.deepEqual([diff.added, diff.removed, diff.come], [[], [], [POD(2)]])
  for (const [name, routes] of before.services) if (name !== key) assert.equal(after.services.get(name), routes)
})

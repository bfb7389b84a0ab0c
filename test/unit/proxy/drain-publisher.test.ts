import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DRAINING_ANNOTATION } from '../../../src/api/drain-lease.ts'
import { notFoundError } from '../../../src/api/status-error.ts'
import type { Lease } from '../../../src/api/types/coordination-v1.gen.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import type { Client } from '../../../src/client/client.ts'
import { DrainPublisher } from '../../../src/proxy/drain/drain-publisher.ts'

interface World {
  readonly clock: VirtualClock
  readonly publisher: DrainPublisher
  readonly active: Map<string, number>
  /** What the Lease has said, with the second at which it did. */
  readonly said: string[]
  lease: Lease | undefined
  isDown: boolean
}

async function start(): Promise<World> {
  const clock = new VirtualClock(0)
  const active = new Map<string, number>()
  const write = (lease: Lease): Lease => {
    if (world.isDown) throw new Error('the control plane is dead')
    world.lease = lease
    world.said.push(`${clock.now() / 1000} ${lease.metadata?.annotations?.[DRAINING_ANNOTATION]}`)
    return lease
  }
  const client = {
    async patch(_type: unknown, { name }: { name: string }, patch: Lease) {
      if (world.lease === undefined) throw notFoundError({ group: 'coordination.k8s.io', resource: 'leases' }, name)
      return write(patch)
    },
    create: async (_type: unknown, lease: Lease) => write(lease),
  } as unknown as Client
  const world: World = {
    clock,
    active,
    said: [],
    lease: undefined,
    isDown: false,
    publisher: undefined as unknown as DrainPublisher,
  }
  const publisher = new DrainPublisher({
    client,
    clock,
    logger: silentLogger,
    name: 'n',
    active: (address) => active.get(address) ?? 0,
  })
  await clock.advance(0)
  return Object.assign(world, { publisher })
}

test('it says at once what drains, and then how that goes, and nothing twice', async () => {
  const world = await start()
  await world.clock.advance(1_000)
  world.active.set('127.0.0.1', 2)
  world.publisher.drain(['127.0.0.1'])
  await world.clock.advance(0)
  await world.clock.advance(210)
  world.active.set('127.0.0.1', 0)
  await world.clock.advance(100)
  world.publisher.drain([])
  await world.clock.advance(0)
  assert.deepEqual(world.said, ['0 ', '1 127.0.0.1=2', '1.25 127.0.0.1=0', '1.31 '])
  await world.publisher.close()
})

test('it shows that it lives, and takes its leave', async () => {
  const world = await start()
  await world.clock.advance(25_000)
  assert.deepEqual(world.said, ['0 ', '10 ', '20 '])
  assert.equal(world.lease?.spec?.leaseDurationSeconds, 40)
  assert.match(world.lease?.spec?.renewTime ?? '', /^1970-01-01T00:00:20\.000000Z$/)
  await world.publisher.close()
  assert.equal(world.lease?.spec?.leaseDurationSeconds, 1)
})

test('what could not be said is said as soon as it can be', async () => {
  const world = await start()
  await world.clock.advance(1_000)
  world.isDown = true
  world.publisher.drain(['127.0.0.1'])
  await world.clock.advance(60_000)
  world.isDown = false
  await world.clock.advance(2_000)
  assert.equal(world.said.at(-1)?.split(' ')[1], '127.0.0.1=0')
  assert.ok(world.said.length < 5)
  await world.publisher.close()
})

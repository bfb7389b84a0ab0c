import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LEASES } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import type { Client } from '../../../src/client/client.ts'
import { type Leadership, runLeaderElection } from '../../../src/client/leader-election.ts'
import { startTestServer } from '../apiserver/server-fixture.ts'

/** Candidates for one lease on one API server, each with a client that can be cut off. */
async function world() {
  const server = await startTestServer()
  const clock = new VirtualClock()
  const told: string[] = []
  const candidate = (identity: string) => {
    let cut = false
    let leadership: Leadership | undefined
    const client = new Proxy(server.client, {
      get(target, property) {
        const value = Reflect.get(target, property) as (...args: unknown[]) => Promise<unknown>
        return async (...args: unknown[]) => {
          if (cut) throw new StatusError('ServiceUnavailable', 'etcd is away')
          return value.apply(target, args)
        }
      },
    }) as Client
    const election = runLeaderElection({
      client,
      namespace: 'default',
      name: 'part',
      identity,
      clock,
      random: () => 0,
      logger: silentLogger,
      lead: (given) => {
        leadership = given
        told.push(`${identity} leads`)
        return {
          async close() {
            told.push(`${identity} ends`)
          },
        }
      },
    })
    return {
      election,
      setCut: (to: boolean) => {
        cut = to
      },
      leadership: () => leadership!,
    }
  }
  /** Time passes in steps, with answers of the API in between. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 250) {
      await clock.advance(Math.min(left, 250))
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const lease = () => server.client.get(LEASES, { namespace: 'default', name: 'part' })
  return { server, candidate, pass, told, lease }
}

describe('an election', () => {
  it('has one leader, which renews; the next follows at once when it ends', async () => {
    const { candidate, pass, told, lease, server } = await world()
    const a = candidate('a')
    await pass(1_000)
    const b = candidate('b')
    await pass(60_000)
    assert.deepEqual(told, ['a leads'])
    const { revision, isHeld } = a.leadership()
    const held = await lease()
    assert.equal(String(revision()), held.metadata?.resourceVersion)
    assert(isHeld(held))
    const closing = a.election.close()
    await pass(1_000)
    await closing
    assert.equal(revision(), undefined)
    // Less than a retry period after: the watch has told.
    assert.deepEqual(told, ['a leads', 'a ends', 'b leads'])
    assert(!isHeld(await lease()))
    assert.equal((await lease()).spec?.leaseTransitions, 1)
    const ended = b.election.close()
    await pass(1_000)
    await ended
    assert.equal((await lease()).spec?.holderIdentity, '')
    await server.close()
  })

  it('ends a term whose renewals fail for ten seconds; another begins when the lease has run out', async () => {
    const { candidate, pass, told, server, lease } = await world()
    const a = candidate('a')
    await pass(3_000)
    const b = candidate('b')
    await pass(3_000)
    a.setCut(true)
    await pass(9_000)
    assert.deepEqual(told, ['a leads'])
    await pass(3_000)
    assert.deepEqual(told, ['a leads', 'a ends'])
    assert.equal(a.leadership().revision(), undefined)
    await pass(10_000)
    assert.deepEqual(told, ['a leads', 'a ends', 'b leads'])
    a.setCut(false)
    await pass(30_000)
    assert.deepEqual(told, ['a leads', 'a ends', 'b leads'])
    assert.equal((await lease()).spec?.holderIdentity, 'b')
    const closing = Promise.all([a.election.close(), b.election.close()])
    await pass(3_000)
    await closing
    await server.close()
  })

  it('notices that its lease is another’s, and leads again in a new term when that is over', async () => {
    const { candidate, pass, told, server, lease } = await world()
    const a = candidate('a')
    await pass(1_000)
    const first = a.leadership()
    const held = await lease()
    const spec = { ...held.spec, holderIdentity: 'x', leaseTransitions: 8, leaseDurationSeconds: 5 }
    await server.client.update(LEASES, { ...held, spec })
    await pass(3_000)
    assert.deepEqual(told, ['a leads', 'a ends'])
    await pass(12_000)
    assert.deepEqual(told, ['a leads', 'a ends', 'a leads'])
    assert.equal(a.leadership().term.transitions, 9)
    assert(!first.isHeld(await lease()), 'what the first term has begun is not taken for the second one’s')
    const closing = a.election.close()
    await pass(1_000)
    await closing
    await server.close()
  })
})

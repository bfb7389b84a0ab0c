import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CONFIG_MAPS, LEASES } from '../../../src/api/resource-type.ts'
import { isReason } from '../../../src/api/status-error.ts'
import type { Lease } from '../../../src/api/types/coordination-v1.gen.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { CONTROL_PLANE_USER } from '../../../src/controlplane/apiserver/user.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import type { StoreTransaction } from '../../../src/controlplane/store/store.ts'
import { startTestServer } from './server-fixture.ts'

const KEY = '/registry/leases/default/part'

function lease(holder: string, transitions: number): Lease {
  return {
    metadata: { namespace: 'default', name: 'part' },
    spec: { holderIdentity: holder, leaseTransitions: transitions },
  }
}

describe('the writes of an elected part', () => {
  const start = async () => {
    /** Runs before the next commit that is fenced. */
    let meanwhile: (() => Promise<unknown>) | undefined
    const memory = createMemoryStore()
    const commit = async (transaction: StoreTransaction) => {
      const run = transaction.expect.some(({ key }) => key === KEY) && transaction.puts[0]?.key !== KEY
      const before = meanwhile
      if (run) meanwhile = undefined
      if (run) await before?.()
      return memory.commit(transaction)
    }
    const store = new Proxy(memory, {
      get(target, property) {
        if (property === 'commit') return commit
        const value: unknown = Reflect.get(target, property)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const fixture = await startTestServer({ store })
    let held = BigInt((await fixture.client.create(LEASES, lease('a', 1))).metadata?.resourceVersion ?? '')
    let leads = true
    const fence = {
      key: KEY,
      revision: () => (leads ? held : undefined),
      isHeld: (found: object) => {
        const { spec } = found as Lease
        return spec?.holderIdentity === 'a' && spec.leaseTransitions === 1
      },
    }
    const setLease = async (holder: string, transitions: number): Promise<bigint> => {
      const found = await fixture.client.get(LEASES, { namespace: 'default', name: 'part' })
      const next = await fixture.client.update(LEASES, { ...found, spec: lease(holder, transitions).spec! })
      return BigInt(next.metadata?.resourceVersion ?? '')
    }
    return {
      ...fixture,
      elected: createClient(fixture.server.transport(CONTROL_PLANE_USER, fence)),
      setLease,
      renewKnown: async () => {
        held = await setLease('a', 1)
      },
      lose: () => {
        leads = false
      },
      meanwhile: (run: () => Promise<unknown>) => {
        meanwhile = run
      },
    }
  }
  const map = (value: string) => ({ metadata: { namespace: 'default', name: 'm' }, data: { value } })
  const ref = { namespace: 'default', name: 'm' }

  it('are accepted while it holds its lease, also when that is renewed at the same time', async () => {
    const { elected, setLease, renewKnown, meanwhile, close } = await start()
    await elected.create(CONFIG_MAPS, map('1'))
    await renewKnown()
    await elected.patch(CONFIG_MAPS, ref, { data: { value: '2' } }, { type: 'application/merge-patch+json' })
    // A renewal whose answer has not come back yet.
    let renewals = 0
    meanwhile(() => {
      renewals += 1
      return setLease('a', 1)
    })
    const found = await elected.get(CONFIG_MAPS, ref)
    const { data } = await elected.update(CONFIG_MAPS, { ...found, data: { value: '3' } })
    assert.deepEqual([data, renewals], [{ value: '3' }, 1])
    await elected.delete(CONFIG_MAPS, ref)
    await close()
  })

  it('are refused once another one holds it, whatever they write', async () => {
    const { elected, client, setLease, meanwhile, errors, close } = await start()
    const stored = await client.create(CONFIG_MAPS, map('1'))
    meanwhile(() => setLease('b', 2))
    const conflict = (error: unknown): boolean =>
      isReason(error, 'Conflict') && /no longer holds the lease/.test(String(error))
    await assert.rejects(elected.update(CONFIG_MAPS, { ...stored, data: { value: '2' } }), conflict)
    await assert.rejects(elected.delete(CONFIG_MAPS, ref), conflict)
    await assert.rejects(elected.create(CONFIG_MAPS, { metadata: { namespace: 'default', name: 'n' } }), conflict)
    await assert.rejects(
      elected.patch(CONFIG_MAPS, ref, { data: { value: '2' } }, { type: 'application/merge-patch+json' }),
      conflict,
    )
    // Also in a later term of a holder of the same name.
    await setLease('a', 3)
    await assert.rejects(elected.delete(CONFIG_MAPS, ref), conflict)
    await client.delete(LEASES, { namespace: 'default', name: 'part' })
    await assert.rejects(elected.delete(CONFIG_MAPS, ref), conflict)
    assert.deepEqual((await client.get(CONFIG_MAPS, ref)).data, { value: '1' })
    assert.deepEqual(errors, [])
    await close()
  })

  it('are refused without asking the store when it knows that it does not lead', async () => {
    const { elected, client, lose, close } = await start()
    await client.create(CONFIG_MAPS, map('1'))
    lose()
    await assert.rejects(elected.delete(CONFIG_MAPS, ref), (error) => isReason(error, 'Conflict'))
    await close()
  })

  it('still lose against a faster writer of the object itself', async () => {
    const { elected, client, meanwhile, close } = await start()
    const stored = await client.create(CONFIG_MAPS, map('1'))
    meanwhile(() => client.update(CONFIG_MAPS, { ...stored, data: { value: 'theirs' } }))
    await assert.rejects(
      elected.update(CONFIG_MAPS, { ...stored, data: { value: '2' } }),
      (error) => isReason(error, 'Conflict') && /has been modified/.test(String(error)),
    )
    await close()
  })
})

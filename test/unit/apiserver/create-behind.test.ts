import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CONFIG_MAPS, NAMESPACES } from '../../../src/api/resource-type.ts'
import { isReason } from '../../../src/api/status-error.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import type { Store } from '../../../src/controlplane/store/store.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

const LAG_MS = 150

/** The same store as another API server sees it whose watch is late. */
function late(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'watch')
        return async function* (...words: Parameters<Store['watch']>) {
          for await (const batch of target.watch(...words)) {
            await new Promise((resolve) => setTimeout(resolve, LAG_MS))
            yield batch
          }
        }
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const map = (name: string, namespace = 'default') => ({ metadata: { namespace, name } })

describe('creating through a server whose copy is behind', () => {
  let ahead: TestServer
  let behind: TestServer
  before(async () => {
    const store = createMemoryStore()
    ahead = await startTestServer({ store })
    behind = await startTestServer({ store: late(store) })
  })
  after(async () => {
    await behind.close()
    await ahead.close()
  })
  /** Both know of what was done so far. */
  const even = () => behind.client.list(CONFIG_MAPS, { namespace: 'default' })

  test('a name that was taken elsewhere is taken', async () => {
    await ahead.client.create(CONFIG_MAPS, map('taken'))
    await assert.rejects(behind.client.create(CONFIG_MAPS, map('taken')), (error) => isReason(error, 'AlreadyExists'))
  })

  test('a name that became free elsewhere is free', async () => {
    await ahead.client.create(CONFIG_MAPS, map('freed'))
    await even()
    await ahead.client.delete(CONFIG_MAPS, { namespace: 'default', name: 'freed' })
    await behind.client.create(CONFIG_MAPS, map('freed'))
  })

  test('a namespace that was made elsewhere is there', async () => {
    await ahead.client.create(NAMESPACES, { metadata: { name: 'made' } })
    await behind.client.create(CONFIG_MAPS, map('in', 'made'))
  })

  test('a namespace that is going away takes nothing more, though it is not known here yet', async () => {
    await ahead.client.create(NAMESPACES, { metadata: { name: 'going' } })
    await even()
    await ahead.client.delete(NAMESPACES, { name: 'going' })
    await assert.rejects(
      behind.client.create(CONFIG_MAPS, map('late', 'going')),
      (error) => isReason(error, 'Forbidden') && /because it is being terminated/.test(error.message),
    )
    assert.deepEqual((await behind.client.list(CONFIG_MAPS, { namespace: 'going' })).items, [])
  })

  test('a namespace that was only written elsewhere does not keep anything from being made', async () => {
    const found = await ahead.client.get(NAMESPACES, { name: 'default' })
    await even()
    await ahead.client.update(NAMESPACES, { ...found, metadata: { ...found.metadata, labels: { a: 'b' } } })
    await behind.client.create(CONFIG_MAPS, map('after-labels'))
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CONFIG_MAPS } from '../../../src/api/resource-type.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { StoreError, type StoreErrorCode } from '../../../src/controlplane/store/store.ts'
import { startTestServer } from './server-fixture.ts'

const PATH = '/api/v1/namespaces/default/configmaps'

/** An API server whose store can go away: every call of it then fails like this; its watches stay open and silent. */
async function start() {
  let away: StoreErrorCode | undefined
  const store = new Proxy(createMemoryStore(), {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function') return value
      if (property === 'watch' || property === 'close') return value.bind(target)
      return async (...args: unknown[]) => {
        if (away !== undefined) throw new StoreError(away, `etcd at nowhere does not answer`)
        return value.apply(target, args)
      }
    },
  })
  const server = await startTestServer({ store })
  await server.client.create(CONFIG_MAPS, { metadata: { namespace: 'default', name: 'm' }, data: { a: '1' } })
  return {
    ...server,
    setAway(code: StoreErrorCode | undefined) {
      away = code
    },
  }
}

describe('an API server whose store is out of reach', () => {
  it('answers reads that take any version from its own copy, and others with 503', async () => {
    const { wire, setAway, errors, close } = await start()
    setAway('unavailable')
    for (const path of [`${PATH}/m?resourceVersion=0`, `${PATH}?resourceVersion=0`, `${PATH}/m?resourceVersion=2`])
      assert.equal((await wire({ path })).status, 200, path)
    assert.equal((await wire({ path: `${PATH}/none?resourceVersion=0` })).status, 404)
    const watched = await wire({ path: `${PATH}?watch=1&resourceVersion=0&timeoutSeconds=1` })
    assert.equal(watched.status, 200)
    assert.match(watched.text, /"name":"m"/)
    for (const path of [PATH, `${PATH}/m`]) {
      const { status, body, headers } = await wire({ path })
      assert.equal(status, 503)
      assert.equal(body.reason, 'ServiceUnavailable')
      assert.match(body.message, /etcd at nowhere/)
      assert.equal(headers['retry-after'], '1')
    }
    setAway(undefined)
    assert.equal((await wire({ path: `${PATH}/m` })).status, 200)
    assert.deepEqual(errors, [])
    await close()
  })

  it('says of a write that nothing happened, or that nobody knows', async () => {
    const { wire, setAway, errors, close } = await start()
    const create = { method: 'POST', path: PATH, body: { metadata: { name: 'n' } } }
    setAway('unavailable')
    const refused = await wire(create)
    assert.deepEqual([refused.status, refused.body.reason], [503, 'ServiceUnavailable'])
    setAway('unknown')
    const unknown = await wire(create)
    assert.equal(unknown.status, 504)
    // A client that sees a time to retry after sends the same write again by itself.
    assert.equal(unknown.headers['retry-after'], undefined)
    assert.equal(unknown.body.reason, 'Timeout')
    setAway('too-large')
    assert.equal((await wire(create)).status, 413)
    setAway(undefined)
    assert.equal((await wire(create)).status, 201)
    assert.deepEqual(errors, [])
    await close()
  })
})

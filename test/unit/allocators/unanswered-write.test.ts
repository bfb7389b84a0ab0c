import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SERVICES } from '../../../src/api/resource-type.ts'
import { isReason } from '../../../src/api/status-error.ts'
import { service, startServiceServer } from './service-server.ts'

const REQUESTED = '127.70.16.20'

for (const what of ['happens', 'lost'] as const) {
  test(`an address of a write that had no answer and ${what} is nobody else's before a repair has looked`, async () => {
    const server = await startServiceServer()
    try {
      const asking = (name: string) => server.client.create(SERVICES, service(name, { clusterIP: REQUESTED }))
      server.fates.push({ turns: 0, fails: false, unanswered: what })
      await assert.rejects(asking('first'), (error) => isReason(error, 'Timeout'))
      await assert.rejects(asking('second'), (error) => isReason(error, 'Invalid'))
      // Twice, because a write may be under way at the first.
      for (let i = 0; i < 2; i++) assert.deepEqual(await server.addresses.repair(), [])
      if (what === 'lost') assert.equal((await asking('second')).spec?.clusterIP, REQUESTED)
      else {
        await assert.rejects(asking('second'), (error) => isReason(error, 'Invalid'))
        await server.client.delete(SERVICES, { namespace: 'default', name: 'first' })
        assert.equal((await asking('second')).spec?.clusterIP, REQUESTED)
      }
    } finally {
      await server.close()
    }
  })
}

test('an address that an update without an answer may have given up is still its owner’s', async () => {
  const server = await startServiceServer()
  try {
    await server.client.create(SERVICES, service('first', { clusterIP: REQUESTED }))
    server.fates.push({ turns: 0, fails: false, unanswered: 'lost' })
    const external = { type: 'ExternalName', externalName: 'a.example', clusterIP: null, clusterIPs: null }
    await assert.rejects(server.write('PATCH', 'first', {}, { spec: external }), (error) => isReason(error, 'Timeout'))
    const second = server.client.create(SERVICES, service('second', { clusterIP: REQUESTED }))
    await assert.rejects(second, (error) => isReason(error, 'Invalid'))
  } finally {
    await server.close()
  }
})

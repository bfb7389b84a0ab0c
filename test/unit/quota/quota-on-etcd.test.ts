import { deepEqual, equal } from 'node:assert/strict'
import { it } from 'node:test'
import { PODS, RESOURCE_QUOTAS } from '../../../src/api/resource-type.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { openEtcdStore } from '../../../src/controlplane/store/etcd-store.ts'
import { ETCD_MISSING, startEtcd } from '../../harness/etcd-server.ts'
import { pod, quota, startAllControllers, startQuotaServer } from './quota-fixture.ts'

it('two API servers on one etcd keep to a quota from the moment that it is made', { skip: ETCD_MISSING }, async () => {
  const etcd = await startEtcd()
  const errors: Error[] = []
  const open = () =>
    openEtcdStore({
      endpoints: etcd.endpoints,
      place: { here: '/registry', there: '/registry' },
      clock: systemClock,
      logger: silentLogger,
      onFailure: (error) => errors.push(error),
    })
  try {
    const servers = [await startQuotaServer({ store: await open() }), await startQuotaServer({ store: await open() })]
    const [first, second] = servers as [(typeof servers)[0], (typeof servers)[0]]
    const controllers = startAllControllers(first)
    try {
      await first.client.create(RESOURCE_QUOTAS, quota('pods', { pods: '15' }))
      // The second has not heard of the quota yet.
      const creates = Array.from({ length: 80 }, (_, i) => servers[i % 2]!.client.create(PODS, pod(`p${i}`)))
      const results = await Promise.allSettled(creates)
      const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.reason] : []))
      deepEqual(new Set(reasons), new Set(['Forbidden']))
      equal(results.length - reasons.length, 15)
      const { status } = await second.client.get(RESOURCE_QUOTAS, { namespace: 'default', name: 'pods' })
      deepEqual(status?.used, { pods: '15' })
      equal((await second.client.list(PODS, { namespace: 'default' })).items.length, 15)
    } finally {
      await controllers.close()
      for (const server of servers) await server.close()
    }
    deepEqual(errors, [])
  } finally {
    await etcd.close()
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ENDPOINT_SLICES, ENDPOINTS, LEASES } from '../../../src/api/resource-type.ts'
import type { Lease } from '../../../src/api/types/coordination-v1.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { apiServerUrls } from '../../../src/client/follow-api-servers.ts'
import { bootstrap } from '../../../src/controlplane/apiserver/bootstrap.ts'
import { CONTROL_PLANE_USER } from '../../../src/controlplane/apiserver/user.ts'
import {
  ADDRESS_ANNOTATION,
  endpointsSubsets,
  kubernetesSlices,
  liveApiServers,
  observeLeases,
} from '../../../src/controlplane/membership/api-servers-plan.ts'
import { type PublishedApiServer, publishApiServer } from '../../../src/controlplane/membership/publish-api-server.ts'
import { eventually } from '../../harness/eventually.ts'
import { startTestServer } from '../apiserver/server-fixture.ts'

const lease = (name: string, resourceVersion: string, address: string): Lease => ({
  metadata: { name, resourceVersion, annotations: { [ADDRESS_ANNOTATION]: address } },
  spec: { leaseDurationSeconds: 8 },
})

test('a server is alive as long as its lease moves, by this server’s own clock', () => {
  const [a, b] = [lease('a', '1', '10.0.0.1:6443'), lease('b', '2', '10.0.0.2:6443')]
  let seen = observeLeases([a, b], new Map(), 1_000, false)
  assert.deepEqual(liveApiServers([a, b], seen, 1_000).dead, [])
  const renewed = lease('a', '3', '10.0.0.1:6443')
  seen = observeLeases([renewed, b], seen, 7_000, false)
  assert.deepEqual(liveApiServers([renewed, b], seen, 9_001), {
    live: [{ address: '10.0.0.1', port: 6443 }],
    dead: ['b'],
  })
  // Whoever has seen nothing for a while counts nobody's silence.
  seen = observeLeases([renewed, b], seen, 60_000, true)
  assert.deepEqual(liveApiServers([renewed, b], seen, 60_000).dead, [])
})

test('endpoints have a subset, and slices one of their own, for each port', () => {
  const servers = [
    { address: '10.0.0.1', port: 6443 },
    { address: '10.0.0.2', port: 6443 },
    { address: '10.0.0.1', port: 7443 },
  ]
  assert.deepEqual(
    endpointsSubsets(servers).map(({ addresses, ports }) => [addresses?.map(({ ip }) => ip), ports?.[0]?.port]),
    [
      [['10.0.0.1', '10.0.0.2'], 6443],
      [['10.0.0.1'], 7443],
    ],
  )
  const slices = kubernetesSlices(servers, 7443)
  assert.deepEqual(
    slices.map(({ metadata }) => metadata?.name),
    ['kubernetes-6443', 'kubernetes'],
  )
  assert.deepEqual(apiServerUrls(slices), ['https://10.0.0.1:6443', 'https://10.0.0.1:7443', 'https://10.0.0.2:6443'])
})

test('servers keep each other in the endpoints, and one that ends or dies leaves them', async () => {
  const server = await startTestServer()
  const published: PublishedApiServer[] = []
  try {
    const client = createClient(server.server.transport(CONTROL_PLANE_USER))
    await bootstrap({
      client,
      address: '127.0.0.1',
      port: 6443,
      serviceIp: '127.99.16.1',
      servicePort: 443,
      isOneOfSeveral: true,
    })
    const publish = async (port: number, of = client) => {
      const made = await publishApiServer({
        client: of,
        identity: `server-${port}`,
        address: '127.0.0.1',
        port,
        clock: systemClock,
        logger: silentLogger,
        renewMs: 50,
        leaseSeconds: 1,
      })
      published.push(made)
      return made
    }
    const portsIn = async (): Promise<string> => {
      const { subsets } = await client.get(ENDPOINTS, { namespace: 'default', name: 'kubernetes' })
      const { items } = await client.list(ENDPOINT_SLICES, { namespace: 'default' })
      const inSlices = items.map(({ ports }) => ports?.[0]?.port).sort()
      const inSubsets = (subsets ?? []).map(({ ports }) => ports?.[0]?.port)
      return inSlices.join() === inSubsets.join() ? inSubsets.join() : 'slices and endpoints differ'
    }
    const first = await publish(6443)
    const second = await publish(6444)
    // One whose API no longer takes its writes is like one that is dead.
    let isCut = false
    const cut: typeof client = {
      ...client,
      get: (type, ref) => (isCut ? Promise.reject(new Error('cut off')) : client.get(type, ref)),
      create: (type, object) => client.create(type, object),
    }
    const third = await publish(6445, cut)
    await eventually(async () => ((await portsIn()) === '6443,6444,6445' ? true : undefined))
    await second.close()
    assert.equal(await portsIn(), '6443,6445')
    isCut = true
    await eventually(async () => ((await portsIn()) === '6443' ? true : undefined))
    await eventually(async () => {
      const { items } = await client.list(LEASES, { namespace: 'kube-system' })
      return items.length === 1 || undefined
    })
    // It can write again and is back.
    isCut = false
    await eventually(async () => ((await portsIn()) === '6443,6445' ? true : undefined))
    await third.close()
    // The last one leaves its address.
    await first.close()
    assert.equal(await portsIn(), '6443')
  } finally {
    await Promise.all(published.map((one) => one.close()))
    await server.close()
  }
})

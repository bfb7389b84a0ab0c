import { SERVICES } from '../../../src/api/resource-type.ts'
import type { Service, ServiceSpec } from '../../../src/api/types/core-v1.gen.ts'
import type { Client } from '../../../src/client/client.ts'
import { createClient, statusErrorOf } from '../../../src/client/create-client.ts'
import type { Transport } from '../../../src/client/transport.ts'
import {
  createServiceAddresses,
  type ServiceAddresses,
} from '../../../src/controlplane/allocators/service-addresses.ts'
import type { ApiServer } from '../../../src/controlplane/apiserver/api-server.ts'
import { CONTROL_PLANE_USER } from '../../../src/controlplane/apiserver/user.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { type Store, StoreError } from '../../../src/controlplane/store/store.ts'
import { seededRandom } from '../../sim/balance/seeded-random.ts'
import { startTestServer } from '../apiserver/server-fixture.ts'

export interface ServiceServer {
  readonly client: Client
  readonly transport: Transport
  readonly addresses: ServiceAddresses
  readonly store: Store
  /**
   * What the next commits do, first come first served: take so many turns of the event loop, then succeed or fail;
   * `unanswered` ones happen or not, and nobody is told.
   */
  readonly fates: { readonly turns: number; readonly fails: boolean; readonly unanswered?: 'happens' | 'lost' }[]
  /** A write with query parameters, as `dryRun=All`. Throws StatusError. */
  write(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', name: string, query: object, body?: unknown): Promise<Service>
  close(): Promise<void>
}

export interface ServiceServerOptions {
  readonly store?: Store
  readonly serviceCidr?: string
  readonly nodePorts?: { readonly first: number; readonly last: number }
  readonly random?: () => number
}

/** An API server in memory that gives Services their addresses, over a store whose commits can be late and can fail. */
export async function startServiceServer(options: ServiceServerOptions = {}): Promise<ServiceServer> {
  const store = options.store ?? createMemoryStore()
  const fates: ServiceServer['fates'] = []
  const faulty: Store = new Proxy(store, {
    get(target, property) {
      if (property !== 'commit') {
        const value: unknown = Reflect.get(target, property)
        return typeof value === 'function' ? value.bind(target) : value
      }
      return async (transaction: Parameters<Store['commit']>[0]) => {
        const fate = fates.shift()
        for (let i = 0; i < (fate?.turns ?? 0); i++) await new Promise((resolve) => setImmediate(resolve))
        if (fate?.fails) throw new StoreError('full', 'the disk is full')
        if (fate?.unanswered === 'happens') await target.commit(transaction)
        if (fate?.unanswered !== undefined) throw new StoreError('unknown', 'no answer')
        return target.commit(transaction)
      }
    },
  })
  let server: ApiServer | undefined
  const addresses = createServiceAddresses({
    serviceCidr: options.serviceCidr ?? '127.70.16.0/24',
    nodePorts: options.nodePorts ?? { first: 30_000, last: 32_767 },
    list: async () => listOf(server!.transport(CONTROL_PLANE_USER)),
    // The same every time, lest an address that is given out be one that a test asks for.
    random: options.random ?? seededRandom(1),
  })
  const running = await startTestServer({ store: faulty, admission: [addresses] })
  server = running.server
  await addresses.repair()
  return {
    client: running.client,
    transport: running.transport,
    addresses,
    store,
    fates,
    async write(method, name, query, body) {
      const path = `/api/v1/namespaces/default/services${method === 'POST' ? '' : `/${name}`}`
      const contentType = method === 'PATCH' ? { contentType: 'application/merge-patch+json' } : {}
      const parameters = Object.fromEntries(Object.entries(query).map(([key, value]) => [key, String(value)]))
      const answer = await running.transport.request({ method, path, query: parameters, body, ...contentType })
      if (answer.status >= 400) throw statusErrorOf(answer.status, answer.body)
      return answer.body as Service
    },
    close: () => running.close(),
  }
}

async function listOf(transport: Transport): Promise<readonly Service[]> {
  const { items } = await createClient(transport).list<Service>(SERVICES)
  return items
}

/** A Service in `default` with one port, changed by `spec`. */
export function service(name: string, spec: Partial<ServiceSpec> = {}, metadata: object = {}): Service {
  return { metadata: { namespace: 'default', name, ...metadata }, spec: { ports: [{ port: 80 }], ...spec } }
}

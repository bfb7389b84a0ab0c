import { API_SERVER_CLIENT } from '../../api/component-users.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import { createDelegatedAccess } from '../../client/delegated-access.ts'
import type { Informer } from '../../client/informer.ts'
import { type AdminServer, type AdminServerOptions, startAdminServer } from './admin-server.ts'
import { announceAdmin } from './announce-admin.ts'

export interface ClusterAdminOptions extends Omit<AdminServerOptions, 'secure'> {
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  readonly client: Client
  readonly slices: Informer<EndpointSlice>
  readonly clock: Clock
  /** The proxy's own name among those of the cluster. */
  readonly name: string
  /** The node whose address it listens on. */
  readonly nodeName: string
}

/** The admin server of a cluster's proxy: HTTPS, open to who the API server says may read it, and listed in the API. */
export async function startClusterAdmin(options: ClusterAdminOptions): Promise<AdminServer> {
  const { tls, client, slices, clock, logger, name, nodeName, host: address } = options
  const access = createDelegatedAccess({ client, clock, logger, trusted: [API_SERVER_CLIENT] })
  const server = await startAdminServer({ ...options, secure: { tls, access } })
  const announced = announceAdmin({ client, slices, clock, logger, name, nodeName, address, port: server.port })
  return {
    port: server.port,
    async close() {
      await announced.close()
      await server.close()
    },
  }
}

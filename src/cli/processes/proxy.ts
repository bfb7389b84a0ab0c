import { PROXY_ADMIN_PORT } from '../../api/proxy-endpoints.ts'
import { systemClock } from '../../base/clock.ts'
import { ApiServers } from '../../client/api-servers.ts'
import { createClient } from '../../client/create-client.ts'
import { createEventRecorder } from '../../client/event-recorder.ts'
import { followApiServers } from '../../client/follow-api-servers.ts'
import { createHttpTransport } from '../../client/http-transport.ts'
import { RequestCounter } from '../../client/request-counter.ts'
import { startProxy } from '../../proxy/proxy.ts'
import { readCredentials } from './read-credentials.ts'
import type { RoleContext, RunningRole } from './run-child.ts'

/** The role `proxy`: one data plane for all nodes of this machine. */
export async function runProxy({ config, logger, phase }: RoleContext): Promise<RunningRole> {
  const { layout, dataDir, machine } = config
  const servers = new ApiServers(config.apiServers)
  const tls = readCredentials(dataDir, 'proxy')
  const counter = new RequestCounter()
  const transport = createHttpTransport({
    server: servers,
    userAgent: 'wherry-proxy',
    counter,
    ...tls,
  })
  const client = createClient(transport)
  const clock = systemClock
  const events = createEventRecorder({ client, component: 'kube-proxy', clock, logger })
  const proxy = await phase('proxy', () =>
    startProxy({
      client,
      clock,
      logger,
      events,
      layout,
      leaseName: machine,
      metricsPort: PROXY_ADMIN_PORT,
      metricsTls: tls,
      metrics: () => counter.families(),
    }),
  )
  const following = config.followsApiServers ? followApiServers({ client, servers, clock, logger }) : undefined
  return {
    async close() {
      following?.close()
      await proxy.close()
      await events.flush()
      await transport.close()
    },
  }
}

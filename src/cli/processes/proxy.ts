import { PROXY_ADMIN_PORT } from '../../api/proxy-endpoints.ts'
import { systemClock } from '../../base/clock.ts'
import { createClient } from '../../client/create-client.ts'
import { createEventRecorder } from '../../client/event-recorder.ts'
import { createHttpTransport } from '../../client/http-transport.ts'
import { startProxy } from '../../proxy/proxy.ts'
import { readCredentials } from './read-credentials.ts'
import type { RoleContext, RunningRole } from './run-child.ts'

/** The role `proxy`: one data plane for all nodes of this machine. */
export async function runProxy({ config, logger, phase }: RoleContext): Promise<RunningRole> {
  const { layout, dataDir, apiPort } = config
  const tls = readCredentials(dataDir, 'proxy')
  const transport = createHttpTransport({
    server: `https://127.0.0.1:${apiPort}`,
    userAgent: 'wherry-proxy',
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
      apiServer: { address: '127.0.0.1', port: apiPort },
      leaseName: config.clusterName,
      metricsPort: PROXY_ADMIN_PORT,
      metricsTls: tls,
    }),
  )
  return {
    async close() {
      await proxy.close()
      await events.flush()
      await transport.close()
    },
  }
}

import { type Agent, startAgent } from '../../agent/agent.ts'
import { serveNodeApi } from '../../agent/kubelet/node-api.ts'
import { clusterNetwork } from '../../agent/runtime/docker/cluster-network.ts'
import type { DockerHost } from '../../agent/runtime/docker/docker-host.ts'
import { ProcUsageSource } from '../../agent/usage/proc-usage-source.ts'
import { UsageSampler } from '../../agent/usage/usage-sampler.ts'
import { createVolumeManager } from '../../agent/volumes/create-volume-manager.ts'
import { API_SERVER_CLIENT } from '../../api/component-users.ts'
import type { NodeAddresses } from '../../base/address-layout.ts'
import { systemClock } from '../../base/clock.ts'
import { ApiServers } from '../../client/api-servers.ts'
import { createClient } from '../../client/create-client.ts'
import { createDelegatedAccess } from '../../client/delegated-access.ts'
import { followApiServers } from '../../client/follow-api-servers.ts'
import { createHttpTransport } from '../../client/http-transport.ts'
import { createInformerFactory } from '../../client/informer-factory.ts'
import { RequestCounter } from '../../client/request-counter.ts'
import { writeKnownServers } from '../up/known-servers.ts'
import { engineClusterId } from '../up/prepare-docker.ts'
import { WHERRY_VERSION } from '../version.ts'
import { readCredentials } from './read-credentials.ts'
import type { RoleContext, RunningRole } from './run-child.ts'

/** How long containers may take to end at Ctrl-C: the whole command ends within seconds. */
const CONTAINERS_MS = 3_000

interface RunningNode {
  readonly agent: Agent
  /** Keeps the list of API servers up to date. */
  follow(): { close(): void }
  close(): Promise<void>
}

async function startNode(
  node: NodeAddresses,
  { config, logger }: RoleContext,
  usage: UsageSampler,
  docker: DockerHost | undefined,
  servers: ApiServers,
): Promise<RunningNode> {
  const clock = systemClock
  const tls = readCredentials(config.dataDir, `node-${node.name}`)
  const counter = new RequestCounter()
  const transport = createHttpTransport({
    server: servers,
    userAgent: 'wherry-agent',
    counter,
    ...tls,
  })
  const client = createClient(transport)
  const informers = createInformerFactory({ client, clock, logger })
  const agent = await startAgent({
    node,
    client,
    informers,
    dataDir: config.dataDir,
    runtime: docker === undefined ? 'process' : (directory) => docker.runtime(node.name, directory),
    // As with NodePorts: the first node's are on 127.0.0.1, too.
    hostPortIps: node === config.layout.nodes[0] ? [node.address, '127.0.0.1'] : [node.address],
    version: WHERRY_VERSION,
    clusterCidr: config.layout.clusterCidr,
    clock,
    logger,
    usage,
    metrics: () => counter.families(),
    createVolumes: (nodeDirectory) => createVolumeManager({ client, clock, logger, nodeDirectory }),
    serveNodeApi: (logs, streams, documents) =>
      serveNodeApi(logs, streams, {
        address: node.address,
        tls,
        documents,
        access: {
          nodeName: node.name,
          delegated: createDelegatedAccess({ client, clock, logger, trusted: [API_SERVER_CLIENT] }),
        },
        clock,
        logger: logger.child({ node: node.name }),
      }),
  })
  return {
    agent,
    follow: () =>
      followApiServers({
        client,
        servers,
        clock,
        logger,
        onChange: (urls) => writeKnownServers(config.dataDir, urls),
      }),
    async close() {
      informers.close()
      await transport.close()
    },
  }
}

async function openDocker({ config, logger }: RoleContext): Promise<DockerHost | undefined> {
  const { runtime, dataDir, layout, clusterName } = config
  if (runtime.kind !== 'docker') return undefined
  const { openDockerHost } = await import('../../agent/runtime/docker/docker-host.ts')
  const network = clusterNetwork(engineClusterId(clusterName, dataDir), layout.octet)
  return openDockerHost({ host: runtime.host, network, dataDir, clock: systemClock, logger })
}

/** The role `agent`: every node of this machine. */
export async function runAgent(context: RoleContext): Promise<RunningRole> {
  const docker = await openDocker(context)
  // All nodes of a machine look at the same /proc: one pass serves them all.
  const usage = new UsageSampler(docker?.usage ?? new ProcUsageSource(systemClock), systemClock, context.logger)
  const servers = new ApiServers(context.config.apiServers)
  const nodes = await context.phase('agent', () =>
    Promise.all(context.config.layout.nodes.map((node) => startNode(node, context, usage, docker, servers))),
  )
  const following = context.config.followsApiServers ? nodes[0]?.follow() : undefined
  return {
    async close(why) {
      following?.close()
      usage.close()
      await Promise.all(
        nodes.map(async (node) => {
          // Without its supervisor the agent leaves the containers running: the next start adopts them.
          await (why === 'asked' ? node.agent.shutDown(CONTAINERS_MS) : node.agent.close())
          await node.close()
        }),
      )
      docker?.close()
    },
  }
}

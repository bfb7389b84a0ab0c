import { createServer } from 'node:net'
import type { ClusterNetwork } from './cluster-network.ts'
import { type DockerEngine, WORK_MS } from './docker-engine.ts'
import { clusterLabels } from './docker-labels.ts'
import { EngineError, hasStatus } from './engine-error.ts'
import { engineArchitecture, ensurePauseImage } from './pause-image.ts'
import { localRouteMessage } from './route-message.ts'
import { tarArchive } from './tar-archive.ts'
import { netlinkProgram } from './tiny-program.ts'

interface InspectedNetwork {
  readonly Labels: Readonly<Record<string, string>> | null
  readonly IPAM: { readonly Config: readonly { readonly Subnet: string }[] | null }
}

/** Makes the bridge that the pods are on, if it is not there. Rejects with EngineError. */
export async function ensureBridge(engine: DockerEngine, network: ClusterNetwork): Promise<void> {
  const { bridge, podCidr, cluster } = network
  const labels = clusterLabels(cluster)
  try {
    const found = await engine.call<InspectedNetwork>({ method: 'GET', path: `/networks/${bridge}` })
    const isOwn = Object.entries(labels).every(([key, value]) => found.Labels?.[key] === value)
    if (isOwn && found.IPAM.Config?.[0]?.Subnet === podCidr) return
    throw new EngineError(`the engine has a network "${bridge}" that is not this cluster's`, 409)
  } catch (error) {
    if (!hasStatus(error, 404)) throw error
  }
  try {
    await engine.call({
      method: 'POST',
      path: '/networks/create',
      body: {
        Name: bridge,
        CheckDuplicate: true,
        Driver: 'bridge',
        IPAM: { Config: [{ Subnet: podCidr, IPRange: network.engineCidr, Gateway: network.gateway }] },
        Options: { 'com.docker.network.bridge.name': bridge },
        Labels: labels,
      },
      timeoutMs: WORK_MS,
    })
  } catch (error) {
    // Another node of this cluster was faster.
    if (!hasStatus(error, 409)) throw error
  }
}

function canListen(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host, port: 0, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/**
 * Makes the host's part of the range its own, by one route in the kernel's local table. The engine sets it, since this
 * process need not be root: a container on the host's network that sends one netlink message and ends. Rejects with
 * EngineError, also when the engine's machine is not this one.
 */
export async function ensureHostRange(engine: DockerEngine, { hostCidr, hostAddress }: ClusterNetwork): Promise<void> {
  if (await canListen(hostAddress)) return
  const exitCode = await runNetlink(engine, localRouteMessage(hostCidr))
  if (exitCode !== 0)
    throw new EngineError(`the route for ${hostCidr} could not be set (error ${exitCode} of the kernel)`, 500)
  if (!(await canListen(hostAddress)))
    throw new EngineError(
      `${engine.host} has set up ${hostCidr}, but not for this machine: it runs in a virtual machine or a network of its own (Docker Desktop, rootless Docker, a container)`,
      501,
    )
}

/** Sends one message to the kernel from a container on the host's network; the exit code is the error number of the answer. */
async function runNetlink(engine: DockerEngine, message: Buffer): Promise<number> {
  const image = await ensurePauseImage(engine)
  const program = netlinkProgram(await engineArchitecture(engine), message)
  const { Id } = await engine.call<{ readonly Id: string }>({
    method: 'POST',
    path: '/containers/create',
    body: {
      Image: image,
      Entrypoint: ['/netlink'],
      HostConfig: {
        NetworkMode: 'host',
        UsernsMode: 'host',
        CapDrop: ['ALL'],
        CapAdd: ['NET_ADMIN'],
        LogConfig: { Type: 'none' },
      },
    },
    timeoutMs: WORK_MS,
  })
  const container = `/containers/${Id}`
  try {
    const archive = tarArchive({ netlink: program })
    await engine.call({
      method: 'PUT',
      path: `${container}/archive`,
      query: { path: '/' },
      archive,
      timeoutMs: WORK_MS,
    })
    await engine.call({ method: 'POST', path: `${container}/start`, timeoutMs: WORK_MS })
    const { StatusCode } = await engine.call<{ readonly StatusCode: number }>({
      method: 'POST',
      path: `${container}/wait`,
      timeoutMs: WORK_MS,
    })
    return StatusCode
  } finally {
    await engine
      .call({ method: 'DELETE', path: container, query: { force: 1 }, timeoutMs: WORK_MS })
      .catch(() => undefined)
  }
}

import type { HostPort, SandboxConfig } from '../runtime.ts'

/** The kubelet's value for what must be the last to go. */
const OOM_SCORE_ADJ = -998

export interface SandboxBodyInput {
  readonly sandbox: SandboxConfig
  readonly labels: Readonly<Record<string, string>>
  readonly image: string
  /** The cluster's network. */
  readonly network: string
  /** Whether the engine may have the kernel spare it when memory runs short. */
  readonly isProtected: boolean
  /** The engine's volume for each of the pod's volumes in memory. */
  readonly volumes: readonly { readonly name: string; readonly engineName: string }[]
}

function portKey({ containerPort, protocol }: HostPort): string {
  return `${containerPort}/${protocol.toLowerCase()}`
}

/** The request that creates a pod's sandbox: the container that holds its address and what its containers share. */
export function sandboxBody(input: SandboxBodyInput): object {
  const { sandbox, network, volumes } = input
  const namespaces = sandbox.namespaces
  const { hostPorts = [], hostAliases = [], sysctls = {}, dns } = namespaces ?? {}
  const isHost = namespaces?.hostNetwork === true
  const byKey = Object.entries(Object.groupBy(hostPorts, portKey))
  const ports = byKey.map(([key, list = []]) => [
    key,
    list.map(({ hostIp, hostPort }) => ({ HostIp: hostIp, HostPort: String(hostPort) })),
  ])
  return {
    Image: input.image,
    ...(isHost ? {} : { Hostname: sandbox.hostname }),
    Labels: input.labels,
    ...(isHost ? {} : { ExposedPorts: Object.fromEntries(byKey.map(([key]) => [key, {}])) }),
    HostConfig: {
      NetworkMode: isHost ? 'host' : network,
      IpcMode: namespaces?.hostIpc === true ? 'host' : 'shareable',
      ...(namespaces?.hostPid === true ? { PidMode: 'host' } : {}),
      ...(isHost ? {} : { PortBindings: Object.fromEntries(ports) }),
      ...(dns === undefined ? {} : { Dns: dns.servers, DnsSearch: dns.searches, DnsOptions: dns.options }),
      ExtraHosts: hostAliases.flatMap(({ ip, hostnames }) => hostnames.map((name) => `${name}:${ip}`)),
      Sysctls: sysctls,
      // Nobody's files: while it stands, so do the volumes in memory.
      Mounts: volumes.map(({ name, engineName }) => ({
        Type: 'volume',
        Source: engineName,
        Target: `/volumes/${name}`,
      })),
      ...(input.isProtected ? { OomScoreAdj: OOM_SCORE_ADJ } : {}),
      CpuShares: 2,
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      LogConfig: { Type: 'none' },
      RestartPolicy: { Name: 'no' },
    },
    ...(isHost
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: sandbox.ip } } } } }),
  }
}

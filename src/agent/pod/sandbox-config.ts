import { quantityToNumber } from '../../api/quantity.ts'
import type { Pod, PodSpec } from '../../api/types/core-v1.gen.ts'
import type { HostPort, SandboxConfig, SandboxNamespaces } from '../runtime/runtime.ts'
import { podHostname } from './container-config.ts'

function hostPorts({ containers = [], initContainers = [] }: PodSpec, hostIps: readonly string[]): readonly HostPort[] {
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...sidecars, ...containers].flatMap(({ ports = [] }) =>
    ports.flatMap(({ containerPort, hostPort, hostIP, protocol = 'TCP' }) => {
      if (hostPort === undefined || hostPort === 0) return []
      const ips = hostIP === undefined || hostIP === '' ? hostIps : [hostIP]
      return ips.map((hostIp) => ({ containerPort, hostPort, hostIp, protocol: protocol as HostPort['protocol'] }))
    }),
  )
}

/** Only a pod that says all of its resolver itself, or adds to it, gets another one than the machine's. */
function dns({ dnsConfig }: PodSpec): SandboxNamespaces['dns'] {
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {}
  if (nameservers.length + searches.length + options.length === 0) return undefined
  return {
    servers: nameservers,
    searches,
    options: options.map(({ name, value }) => (value === undefined ? (name ?? '') : `${name}:${value}`)),
  }
}

function memoryVolumes({ volumes = [] }: PodSpec): SandboxNamespaces['memoryVolumes'] {
  return Object.fromEntries(
    volumes
      .filter(({ emptyDir }) => emptyDir?.medium === 'Memory')
      .map(({ name, emptyDir }) => {
        const limit = emptyDir?.sizeLimit
        return [name, limit === undefined || limit === '0' ? {} : { sizeBytes: quantityToNumber(limit) }]
      }),
  )
}

/** What a runtime needs to know of a pod before its first container. */
export function sandboxConfig(
  pod: Pod,
  place: { readonly ip: string; readonly directory: string; readonly hostIps: readonly string[] },
): SandboxConfig {
  const { uid = '', name = '', namespace = '' } = pod.metadata ?? {}
  const spec = pod.spec ?? ({ containers: [] } as PodSpec)
  const resolver = dns(spec)
  return {
    podUid: uid,
    podName: name,
    podNamespace: namespace,
    hostname: podHostname(pod),
    ip: place.ip,
    directory: place.directory,
    namespaces: {
      hostNetwork: spec.hostNetwork === true,
      hostPid: spec.hostPID === true,
      hostIpc: spec.hostIPC === true,
      shareProcesses: spec.shareProcessNamespace === true,
      ...(resolver === undefined ? {} : { dns: resolver }),
      hostAliases: (spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => ({ ip, hostnames })),
      hostPorts: spec.hostNetwork === true ? [] : hostPorts(spec, place.hostIps),
      sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map((sysctl) => [sysctl.name, sysctl.value])),
      memoryVolumes: memoryVolumes(spec),
    },
  }
}

import { podQosClass } from '../../api/pod-requests.ts'
import { quantityToMilli, quantityToNumber } from '../../api/quantity.ts'
import type { Pod, VolumeMount } from '../../api/types/core-v1.gen.ts'
import type { ContainerConfig, EffectiveSecurityContext, Mount } from '../runtime/runtime.ts'
import { ContainerConfigError } from './environment.ts'
import { expandVariables } from './expand-variables.ts'
import { oomScoreAdj } from './oom-score.ts'
import type { PodContainer } from './pod-containers.ts'

/** The pod's host name: `spec.hostname`, else its name cut to a label's length. */
export function podHostname(pod: Pod): string {
  const name = pod.spec?.hostnameOverride ?? pod.spec?.hostname ?? pod.metadata?.name ?? ''
  return name.slice(0, 63).replace(/[-.]+$/, '')
}

/** The container's security context over the pod's. */
export function effectiveSecurityContext(pod: Pod, container: PodContainer): EffectiveSecurityContext {
  const p = pod.spec?.securityContext ?? {}
  const c = container.spec.securityContext ?? {}
  const merged = {
    runAsUser: c.runAsUser ?? p.runAsUser,
    runAsGroup: c.runAsGroup ?? p.runAsGroup,
    runAsNonRoot: c.runAsNonRoot ?? p.runAsNonRoot,
    supplementalGroups: p.supplementalGroups,
    fsGroup: p.fsGroup,
    readOnlyRootFilesystem: c.readOnlyRootFilesystem,
    privileged: c.privileged,
    allowPrivilegeEscalation: c.allowPrivilegeEscalation,
    capabilities: c.capabilities,
    seccompProfile: (c.seccompProfile ?? p.seccompProfile)?.type,
    appArmorProfile: (c.appArmorProfile ?? p.appArmorProfile)?.type,
    procMount: c.procMount,
    seLinux: c.seLinuxOptions !== undefined || p.seLinuxOptions !== undefined ? true : undefined,
    sysctls: p.sysctls?.map((sysctl) => sysctl.name),
    hostUsers: pod.spec?.hostUsers,
  }
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined))
}

/**
 * The mounts of a container, from the host paths of the pod's volumes. `subPath` leads into a volume, never out of it.
 * What the agent keeps up to date (`keptVolumes`) no container writes to.
 */
export async function containerMounts(
  container: PodContainer,
  volumes: ReadonlyMap<string, string>,
  variables: ReadonlyMap<string, string>,
  subPath: (volumePath: string, subPath: string) => Promise<string>,
  keptVolumes: ReadonlySet<string> = new Set(),
): Promise<readonly Mount[]> {
  const mounts = container.spec.volumeMounts ?? []
  return Promise.all(
    mounts.map(async (mount: VolumeMount): Promise<Mount> => {
      const volume = volumes.get(mount.name)
      if (volume === undefined) throw new ContainerConfigError(`cannot find volume "${mount.name}" to mount`)
      if (mount.recursiveReadOnly === 'Enabled')
        throw new ContainerConfigError(`volume "${mount.name}" cannot be mounted recursively read-only by this runtime`)
      const inside = mount.subPathExpr === undefined ? mount.subPath : expandSubPath(mount.subPathExpr, variables)
      const source = inside === undefined || inside === '' ? volume : await subPath(volume, inside)
      return { source, target: mount.mountPath, readOnly: mount.readOnly === true || keptVolumes.has(mount.name) }
    }),
  )
}

/** A directory named after a variable that is not there would be shared by all who lack it. */
function expandSubPath(expression: string, variables: ReadonlyMap<string, string>): string {
  return expandVariables(expression, variables, (name) => {
    throw new ContainerConfigError(`failed to expand subPath for container: missing value for "${name}"`)
  })
}

/** All that a runtime needs to know of one attempt. */
export function containerConfig(
  pod: Pod,
  container: PodContainer,
  attempt: number,
  variables: ReadonlyMap<string, string>,
  mounts: readonly Mount[],
  allocatable: Readonly<Record<string, string>>,
): ContainerConfig {
  const { spec } = container
  const expand = (text: string): string => expandVariables(text, variables)
  const { cpu, memory } = spec.resources?.limits ?? {}
  const requests = spec.resources?.requests ?? {}
  const qosClass = pod.spec === undefined ? 'BestEffort' : podQosClass(pod.spec)
  return {
    podUid: pod.metadata?.uid ?? '',
    name: container.name,
    attempt,
    kind: container.kind,
    image: spec.image ?? '',
    command: (spec.command ?? []).map(expand),
    args: (spec.args ?? []).map(expand),
    workingDir: spec.workingDir,
    env: [...variables].map(([name, value]) => ({ name, value })),
    mounts,
    stopSignal: spec.lifecycle?.stopSignal,
    stdin: spec.stdin === true,
    stdinOnce: spec.stdinOnce === true,
    tty: spec.tty === true,
    terminationMessagePath: spec.terminationMessagePath ?? '/dev/termination-log',
    terminationMessagePolicy:
      spec.terminationMessagePolicy === 'FallbackToLogsOnError' ? 'FallbackToLogsOnError' : 'File',
    securityContext: effectiveSecurityContext(pod, container),
    resources: {
      ...(requests.cpu === undefined ? {} : { cpuMilliRequest: quantityToMilli(requests.cpu) }),
      ...(cpu === undefined ? {} : { cpuMilliLimit: quantityToMilli(cpu) }),
      ...(memory === undefined ? {} : { memoryBytesLimit: quantityToNumber(memory) }),
      oomScoreAdj: oomScoreAdj(qosClass, requests.memory, allocatable.memory),
    },
  }
}

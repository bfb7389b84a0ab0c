import type { ContainerConfig, EffectiveSecurityContext, Mount, SandboxConfig } from '../runtime.ts'
import { cpuQuotaUs, cpuShares, QUOTA_PERIOD_US } from './cpu-shares.ts'

/** Kubernetes' defaults: five files of 10 MiB. */
const LOG_CONFIG = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '5' } }

/** Else an engine fills an empty volume with what the image has in its place. */
const NO_COPY = { NoCopy: true }

export interface ContainerBodyInput {
  readonly sandbox: SandboxConfig
  readonly config: ContainerConfig
  readonly labels: Readonly<Record<string, string>>
  /** Id of the container that holds the pod's namespaces. */
  readonly sandboxId: string
  /** Where its termination message is read afterwards. */
  readonly terminationMessage: string
  /** Whether the engine may have the kernel spare containers when memory runs short. */
  readonly mayProtect: boolean
  /** The name of the engine's volume, for a mount of one that stands in memory. */
  volumeOf(mount: Mount): string | undefined
}

/** What of a container's security context goes into Docker's HostConfig. */
function security(c: EffectiveSecurityContext): object {
  const options = [
    ...(c.allowPrivilegeEscalation === false ? ['no-new-privileges'] : []),
    ...(c.seccompProfile === 'Unconfined' ? ['seccomp=unconfined'] : []),
    ...(c.appArmorProfile === 'Unconfined' ? ['apparmor=unconfined'] : []),
  ]
  const groups = [...(c.supplementalGroups ?? []), ...(c.fsGroup === undefined ? [] : [c.fsGroup])]
  return {
    ...(c.privileged === true ? { Privileged: true } : {}),
    ...(c.readOnlyRootFilesystem === true ? { ReadonlyRootfs: true } : {}),
    ...(c.capabilities?.add === undefined ? {} : { CapAdd: c.capabilities.add }),
    ...(c.capabilities?.drop === undefined ? {} : { CapDrop: c.capabilities.drop }),
    ...(options.length === 0 ? {} : { SecurityOpt: options }),
    ...(groups.length === 0 ? {} : { GroupAdd: groups.map(String) }),
    ...(c.procMount === 'Unmasked' ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
  }
}

function user({ runAsUser, runAsGroup }: EffectiveSecurityContext): string | undefined {
  if (runAsUser === undefined && runAsGroup === undefined) return undefined
  return runAsGroup === undefined ? String(runAsUser) : `${runAsUser ?? 0}:${runAsGroup}`
}

function resources(
  { cpuMilliRequest, cpuMilliLimit, memoryBytesLimit, oomScoreAdj }: ContainerConfig['resources'],
  leastOomScore: number,
): object {
  const quota = cpuQuotaUs(cpuMilliLimit)
  return {
    CpuShares: cpuShares(cpuMilliRequest ?? cpuMilliLimit),
    ...(quota === undefined ? {} : { CpuPeriod: QUOTA_PERIOD_US, CpuQuota: quota }),
    // The same number with swap: a limit that pages can leave by is none.
    ...(memoryBytesLimit === undefined ? {} : { Memory: memoryBytesLimit, MemorySwap: memoryBytesLimit }),
    ...(oomScoreAdj === undefined ? {} : { OomScoreAdj: Math.max(oomScoreAdj, leastOomScore) }),
  }
}

/** The request that creates one attempt of a container. */
export function containerBody(input: ContainerBodyInput): object {
  const { sandbox, config, sandboxId, terminationMessage, volumeOf } = input
  const inSandbox = `container:${sandboxId}`
  const { hostNetwork, hostPid, hostIpc, shareProcesses } = sandbox.namespaces ?? {}
  const asUser = user(config.securityContext)
  const mounts = config.mounts.map((mount) => {
    const volume = volumeOf(mount)
    const { target: Target, readOnly: ReadOnly } = mount
    return volume === undefined
      ? { Type: 'bind', Source: mount.source, Target, ReadOnly }
      : { Type: 'volume', Source: volume, Target, ReadOnly, VolumeOptions: NO_COPY }
  })
  return {
    Image: config.image,
    ...(config.command.length === 0 ? {} : { Entrypoint: config.command }),
    // A command of the pod's own stands without the image's arguments.
    ...(config.args.length > 0 ? { Cmd: config.args } : config.command.length > 0 ? { Cmd: [] } : {}),
    ...(config.workingDir === undefined ? {} : { WorkingDir: config.workingDir }),
    ...(asUser === undefined ? {} : { User: asUser }),
    ...(config.stopSignal === undefined ? {} : { StopSignal: config.stopSignal }),
    Env: config.env.map(({ name, value }) => `${name}=${value}`),
    Labels: input.labels,
    Tty: config.tty,
    OpenStdin: config.stdin,
    StdinOnce: config.stdinOnce,
    // Probes are Kubernetes' own.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: hostNetwork === true ? 'host' : inSandbox,
      IpcMode: hostIpc === true ? 'host' : inSandbox,
      ...(hostPid === true ? { PidMode: 'host' } : shareProcesses === true ? { PidMode: inSandbox } : {}),
      ...(hostNetwork === true ? { UTSMode: 'host' } : {}),
      Mounts: [...mounts, { Type: 'bind', Source: terminationMessage, Target: config.terminationMessagePath }],
      LogConfig: LOG_CONFIG,
      RestartPolicy: { Name: 'no' },
      ...resources(config.resources, input.mayProtect ? -1000 : 0),
      ...security(config.securityContext),
    },
  }
}

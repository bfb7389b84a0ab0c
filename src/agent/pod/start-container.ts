import type { Container, Pod } from '../../api/types/core-v1.gen.ts'
import { type ContainerState, RuntimeError } from '../runtime/runtime.ts'
import { fileSources } from '../volumes/file-sources.ts'
import { VolumeError } from '../volumes/volume-manager.ts'
import { containerConfig, containerMounts, podHostname } from './container-config.ts'
import { buildEnvironment, ContainerConfigError, type Environment, environmentReferences } from './environment.ts'
import type { PodContainer } from './pod-containers.ts'
import { pullSecrets } from './pull-secrets.ts'
import type { WorkerContext } from './worker-context.ts'

export interface StartRequest {
  readonly pod: Pod
  readonly podIp: string
  readonly container: PodContainer
  readonly attempt: number
  readonly volumePaths: ReadonlyMap<string, string>
  /** Tells an event about the container. */
  say(type: 'Normal' | 'Warning', reason: string, message: string): void
}

/** Collects a container's configuration and starts it. Throws RuntimeError with the reason that shows while it waits. */
export async function startContainer(request: StartRequest, context: WorkerContext): Promise<ContainerState> {
  const { pod, container, attempt, say } = request
  const { runtime } = context
  await ensureImage(request, context)
  const environment = await collectEnvironment(request, context)
  for (const { source, keys } of environment.skipped) {
    const what = `Keys [${keys.join(', ')}] from the EnvFrom ${source}`
    say(
      'Warning',
      'InvalidEnvironmentVariableNames',
      `${what} were skipped since they are considered invalid environment variable names.`,
    )
  }
  const { variables } = environment
  const mounts = await explained(() =>
    containerMounts(
      container,
      request.volumePaths,
      variables,
      (path, inside) => context.volumes.subPath(path, inside),
      keptVolumes(pod),
    ),
  )
  const config = containerConfig(pod, container, attempt, variables, mounts, context.allocatable)
  const refusal = runtime.refusal(config)
  if (refusal !== undefined) throw new RuntimeError('CreateContainerError', refusal)
  if (runtime.name === 'process') sayWhatProcessesAre(request)
  const state = await runtime.startContainer(config).catch((error: unknown) => {
    if (error instanceof RuntimeError && error.reason === 'RunContainerError') sayCreated(request)
    throw error
  })
  sayCreated(request)
  say('Normal', 'Started', `Started container ${container.name}`)
  return state
}

function keptVolumes({ spec }: Pod): ReadonlySet<string> {
  const kept = (spec?.volumes ?? []).filter((volume) => fileSources(volume) !== undefined)
  return new Set(kept.map(({ name }) => name))
}

/** Before anything else of a container, as the kubelet does it. */
async function ensureImage({ pod, container, say }: StartRequest, { runtime, configs }: WorkerContext): Promise<void> {
  if (runtime.images === undefined) return
  const { image = '', imagePullPolicy } = container.spec
  const { secrets, missing } = await explained(() => pullSecrets(pod, configs))
  if (missing.length > 0)
    say(
      'Warning',
      'FailedToRetrieveImagePullSecret',
      `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`,
    )
  const policy = imagePullPolicy === 'Always' || imagePullPolicy === 'Never' ? imagePullPolicy : 'IfNotPresent'
  await runtime.images.ensure({ image, policy, pullSecrets: secrets, say })
}

async function collectEnvironment(request: StartRequest, context: WorkerContext): Promise<Environment> {
  const { pod, container } = request
  const namespace = pod.metadata?.namespace ?? ''
  const references = environmentReferences(container.spec)
  return explained(async () => {
    const [configMaps, secrets] = await Promise.all([
      context.configs.configMaps(namespace, references.configMaps),
      context.configs.secrets(namespace, references.secrets),
    ])
    return buildEnvironment({
      pod,
      container: container.spec,
      podIp: request.podIp,
      hostIp: context.hostIp,
      hostname: podHostname(pod),
      allocatable: context.allocatable,
      services: context.services(namespace),
      configMaps,
      secrets,
    })
  })
}

/** What is wrong with a configuration, or keeps it from being read, is told under the kubelet's reason. */
async function explained<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (cause) {
    if (cause instanceof ContainerConfigError || cause instanceof VolumeError || !(cause instanceof RuntimeError)) {
      const message = cause instanceof Error ? cause.message : String(cause)
      throw new RuntimeError('CreateContainerConfigError', message, { cause })
    }
    throw cause
  }
}

function sayCreated({ container, say }: StartRequest): void {
  say('Normal', 'Created', `Created container: ${container.name}`)
}

/** In place of "image already present": what became of the image, and of what nothing enforces here. */
function sayWhatProcessesAre({ pod, container, attempt, say }: StartRequest): void {
  const image = container.spec.image ?? ''
  say('Normal', 'Pulled', `Container image "${image}" is not needed: the process runtime runs the command on the host`)
  const limits = Object.keys(container.spec.resources?.limits ?? {})
  if (attempt > 0) return
  if (limits.length > 0)
    say(
      'Warning',
      'LimitsNotEnforced',
      `The process runtime does not enforce the limits of container ${container.name} (${limits.join(', ')})`,
    )
  const mounts = readOnlyMounts(pod, container.spec)
  if (mounts.length > 0)
    say(
      'Warning',
      'ReadOnlyNotEnforced',
      `The process runtime does not keep container ${container.name} from writing to ${mounts.join(', ')}`,
    )
}

/** Where a container expects to be kept from writing to what others see. Files that the agent keeps up to date are not meant. */
function readOnlyMounts(pod: Pod, { volumeMounts = [] }: Container): readonly string[] {
  const shared = new Set(
    (pod.spec?.volumes ?? [])
      .filter(({ hostPath, emptyDir }) => hostPath !== undefined || emptyDir !== undefined)
      .map(({ name }) => name),
  )
  return volumeMounts.filter(({ name, readOnly }) => readOnly === true && shared.has(name)).map((m) => m.mountPath)
}

import { join } from 'node:path'
import { type ContainerConfig, type Mount, RuntimeError, type SandboxConfig } from '../runtime.ts'

/** Names that `docker ps` shows: unique by the pod's uid, and readable. */
export function sandboxName({ podName, podNamespace, podUid }: SandboxConfig): string {
  return `k8s_POD_${podName}_${podNamespace}_${podUid}`
}

export function containerName(
  { podName, podNamespace, podUid }: SandboxConfig,
  { name, attempt }: ContainerConfig,
): string {
  return `k8s_${name}_${podName}_${podNamespace}_${podUid}_${attempt}`
}

export function volumeName(podUid: string, volume: string): string {
  return `wherry-${podUid}-${volume}`
}

/** The engine's volume behind a mount of a volume in memory. Throws RuntimeError for a part of one. */
export function memoryVolumeOf(
  { directory, podUid, namespaces }: SandboxConfig,
  { source }: Mount,
): string | undefined {
  for (const name of Object.keys(namespaces?.memoryVolumes ?? {})) {
    const path = join(directory, 'volumes', name)
    if (source === path) return volumeName(podUid, name)
    if (source.startsWith(`${path}/`))
      throw new RuntimeError(
        'CreateContainerConfigError',
        `subPath of volume "${name}" in memory is not supported by the docker runtime`,
      )
  }
  return undefined
}

import { dirname } from 'node:path'
import type { ContainerConfig } from '../runtime.ts'
import { CONTAINER_MARKER } from './shim.ts'

const SYSTEM_PATH = process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * What a container's processes find in their environment: what the pod asks for, and of the agent's own only PATH. That
 * always begins with the directory of the Node that runs wherry, so that `node` means the same everywhere.
 */
export function containerEnvironment(config: ContainerConfig, id: string, root: string): Record<string, string> {
  // The mark stands first: a process that rewrites its title overwrites the end of the environment, not its beginning.
  const env: Record<string, string> = { [CONTAINER_MARKER]: id, HOME: root }
  for (const { name, value } of config.env) if (name !== CONTAINER_MARKER) env[name] = value
  env.PATH = `${dirname(process.execPath)}:${env.PATH ?? SYSTEM_PATH}`
  return env
}

import type { ContainerState } from '../runtime/runtime.ts'

const QUICK_MS = 60_000
const TAKEN = /EADDRINUSE|address already in use/i

/** Only a container that failed soon after its start can have failed to listen. */
export function mayHaveMissedPort(state: ContainerState): boolean {
  const ranMs = (state.finishedAtMs ?? 0) - state.startedAtMs
  return state.phase === 'exited' && state.exitCode !== 0 && ranMs < QUICK_MS
}

/** What to tell when a container's last words are that its port is taken; undefined when they are others. */
export function portInUseMessage(container: string, output: string, podIp: string): string | undefined {
  if (!TAKEN.test(output)) return undefined
  return (
    `container ${container} could not listen because its port is already in use: containers of the process runtime ` +
    `share the host's ports, so bind to the pod's own address ${podIp} (environment variable POD_IP or HOST) instead of all addresses`
  )
}

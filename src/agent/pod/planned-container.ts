import type { ContainerHistory } from './container-history.ts'
import type { PodContainer } from './pod-containers.ts'
import type { PodMemory } from './pod-memory.ts'

/** One container with all that the plan needs to know of it. */
export interface PlannedContainer {
  readonly container: PodContainer
  readonly history: ContainerHistory
}

/** True once the container may be built upon: it runs, its hook is over and its startup probe has succeeded. */
export function isStarted({ container, history }: PlannedContainer, memory: PodMemory): boolean {
  if (history.latest?.phase !== 'running' || memory.busy.get(container.name)?.kind === 'start') return false
  if (container.spec.startupProbe === undefined) return true
  const probe = memory.probes.get(container.name)
  return probe?.attempt === history.latest.attempt && probe.started
}

import type { ContainerStatus, Pod } from '../../api/types/core-v1.gen.ts'
import { podContainers } from './pod-containers.ts'
import { shouldRestart } from './restart-rule.ts'

/**
 * Pending until every container has been started once, Running while any runs or will be started again, then
 * Succeeded when all ended well and Failed otherwise. `isOver`: nothing will be started any more, whatever the policy.
 */
export function podPhase(
  pod: Pod,
  init: readonly ContainerStatus[],
  main: readonly ContainerStatus[],
  initialized: boolean,
  isOver: boolean,
): 'Pending' | 'Running' | 'Succeeded' | 'Failed' {
  const byName = new Map(podContainers(pod).map((container) => [container.name, container]))
  const restarts = (status: ContainerStatus): boolean =>
    !isOver && shouldRestart(byName.get(status.name)!, pod.spec?.restartPolicy, exitCodeOf(status) ?? 255)
  if (!initialized) {
    const hasFailed = init.some((status) => {
      const code = exitCodeOf(status)
      return byName.get(status.name)?.kind === 'init' && code !== undefined && code !== 0 && !restarts(status)
    })
    return hasFailed || isOver ? 'Failed' : 'Pending'
  }
  const waiting = main.filter((s) => s.state?.waiting !== undefined && s.lastState?.terminated === undefined)
  if (waiting.length > 0) return isOver ? 'Failed' : 'Pending'
  if (main.some((status) => status.state?.running !== undefined || restarts(status))) return 'Running'
  return main.every((status) => exitCodeOf(status) === 0) ? 'Succeeded' : 'Failed'
}

function exitCodeOf(status: ContainerStatus): number | undefined {
  const ended =
    status.state?.terminated ?? (status.state?.waiting === undefined ? undefined : status.lastState?.terminated)
  return ended?.exitCode
}

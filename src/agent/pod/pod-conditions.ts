import { findCondition, setCondition } from '../../api/conditions.ts'
import type { ContainerStatus, PodCondition } from '../../api/types/core-v1.gen.ts'
import { isoSeconds, type StatusInput } from './status-input.ts'

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>

const TRUE: Verdict = { status: 'True' }

/**
 * The conditions the agent owns, five and one more for a pod that it evicts, each keeping its transition time while its
 * status stays. Others are kept as they are.
 */
export function podConditions(
  input: StatusInput,
  phase: string,
  init: readonly ContainerStatus[],
  main: readonly ContainerStatus[],
): readonly PodCondition[] {
  const { pod, now } = input
  const containersReady = readiness(input, phase, init, main)
  const verdicts: (readonly [string, Verdict])[] = [
    [
      'PodReadyToStartContainers',
      { status: input.hasSandbox && phase !== 'Succeeded' && phase !== 'Failed' ? 'True' : 'False' },
    ],
    ['Initialized', initialized(input, phase, init)],
    ['Ready', containersReady.status === 'True' ? gates(input) : containersReady],
    ['ContainersReady', containersReady],
    ['PodScheduled', TRUE],
  ]
  if (input.ending?.kind === 'evicted')
    verdicts.push([
      'DisruptionTarget',
      { status: 'True', reason: 'TerminationByKubelet', message: input.memory.evicted ?? '' },
    ])
  let conditions: readonly PodCondition[] = pod.status?.conditions ?? []
  for (const [type, verdict] of verdicts) {
    const observedGeneration = pod.metadata?.generation
    const next = { type, ...verdict, ...(observedGeneration === undefined ? {} : { observedGeneration }) }
    conditions = setCondition<PodCondition>(conditions, next, isoSeconds(now))
  }
  return conditions
}

function initialized(input: StatusInput, phase: string, init: readonly ContainerStatus[]): Verdict {
  if (input.initialized || init.length === 0) return phase === 'Succeeded' ? { ...TRUE, reason: 'PodCompleted' } : TRUE
  const kinds = new Map(input.containers.map(({ container }) => [container.name, container.kind]))
  const incomplete = init.filter((s) => (kinds.get(s.name) === 'sidecar' ? s.started !== true : !s.ready))
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${incomplete.map((s) => s.name).join(' ')}]`,
  }
}

function readiness(
  input: StatusInput,
  phase: string,
  init: readonly ContainerStatus[],
  main: readonly ContainerStatus[],
): Verdict {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const sidecars = new Set(
    input.containers.filter(({ container }) => container.kind === 'sidecar').map(({ container }) => container.name),
  )
  const unready = [...init.filter((s) => sidecars.has(s.name)), ...main].filter((s) => !s.ready).map((s) => s.name)
  if (unready.length === 0) return TRUE
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${unready.join(' ')}]`,
  }
}

/** Readiness gates: conditions set by others that must be true as well (KEP-580). */
function gates({ pod }: StatusInput): Verdict {
  const messages: string[] = []
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const condition = findCondition(pod.status?.conditions, conditionType)
    if (condition === undefined)
      messages.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`)
    else if (condition.status !== 'True')
      messages.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`)
  }
  if (messages.length === 0) return TRUE
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') }
}

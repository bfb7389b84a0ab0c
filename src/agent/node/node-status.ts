import { findCondition } from '../../api/conditions.ts'
import type { ContainerImage, NodeCondition, NodeStatus, NodeSystemInfo } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { Pressure } from './machine.ts'

export interface NodeFacts {
  readonly name: string
  readonly address: string
  readonly capacity: Readonly<Record<string, string>>
  readonly info: NodeSystemInfo
  /** Where the node API listens; undefined while it does not. */
  readonly apiPort: number | undefined
}

function seconds(ms: Millis): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

interface Verdict {
  readonly type: string
  readonly isTrue: boolean
  readonly reason: string
  readonly message: string
}

function verdicts(pressure: Pressure, problem: string | undefined): readonly Verdict[] {
  const of = (type: string, isTrue: boolean, bad: string, good: string, what: string): Verdict => ({
    type,
    isTrue,
    reason: `Kubelet${isTrue ? bad : good}`,
    message: `kubelet has ${isTrue ? `insufficient ${what}` : `sufficient ${what}`} available`,
  })
  const disk = of('DiskPressure', pressure.disk, 'HasDiskPressure', 'HasNoDiskPressure', 'disk')
  return [
    of('MemoryPressure', pressure.memory, 'HasInsufficientMemory', 'HasSufficientMemory', 'memory'),
    { ...disk, message: `kubelet has ${pressure.disk ? '' : 'no '}disk pressure` },
    of('PIDPressure', pressure.pids, 'HasInsufficientPID', 'HasSufficientPID', 'PID'),
    problem === undefined
      ? { type: 'Ready', isTrue: true, reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : { type: 'Ready', isTrue: false, reason: 'KubeletNotReady', message: `container runtime is down: ${problem}` },
  ]
}

/** The node's conditions, `problem` being that of its runtime; each keeps its transition time while its status stays. */
export function nodeConditions(
  previous: readonly NodeCondition[] | undefined,
  pressure: Pressure,
  now: Millis,
  problem?: string,
): readonly NodeCondition[] {
  return verdicts(pressure, problem).map(({ type, isTrue, reason, message }) => {
    const status = isTrue ? 'True' : 'False'
    const before = findCondition(previous, type)
    const isSame = before?.status === status && before.lastTransitionTime !== undefined
    return {
      type,
      status,
      reason,
      message,
      lastHeartbeatTime: seconds(now),
      lastTransitionTime: isSame ? before.lastTransitionTime : seconds(now),
    }
  })
}

/** What the agent says of its node; fields that others own are not among them. */
export function nodeStatus(
  facts: NodeFacts,
  conditions: readonly NodeCondition[],
  images: readonly ContainerImage[] = [],
): NodeStatus {
  return {
    addresses: [
      { type: 'InternalIP', address: facts.address },
      { type: 'Hostname', address: facts.name },
    ],
    capacity: facts.capacity,
    allocatable: facts.capacity,
    conditions,
    ...(facts.apiPort === undefined ? {} : { daemonEndpoints: { kubeletEndpoint: { Port: facts.apiPort } } }),
    nodeInfo: facts.info,
    images,
  }
}

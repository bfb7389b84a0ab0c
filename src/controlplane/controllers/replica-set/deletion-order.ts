import { isPodReady, podReadyCondition } from '../../../api/pod-readiness.ts'
import type { ContainerStatus, Pod } from '../../../api/types/core-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'

const PHASE_RANK: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 }
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost'

/** The annotation's int32; anything else counts as 0, as an invalid cost is ignored. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata?.annotations?.[DELETION_COST]
  if (text === undefined || !/^(0|[+]?[1-9]\d*|-[1-9]\d*)$/.test(text)) return 0
  const cost = Number(text)
  return Math.abs(cost) <= 0x7fffffff ? cost : 0
}

/** Ages within the same power of two count as equal (KEP-2185), so that the choice among them is arbitrary. */
function ageBucket(sinceMs: Millis, now: Millis): number {
  const age = now - sinceMs
  return age <= 0 ? -1 : Math.floor(Math.log2(age * 1e6))
}

/** Of the container that restarted most, and of the sidecar that did. */
function restartsOf({ spec, status }: Pod): { readonly containers: number; readonly sidecars: number } {
  const sidecars = new Set(
    (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  )
  const most = (statuses: readonly ContainerStatus[] = []): number =>
    Math.max(0, ...statuses.map(({ restartCount }) => restartCount))
  return {
    containers: most(status?.containerStatuses),
    sidecars: most(status?.initContainerStatuses?.filter(({ name }) => sidecars.has(name))),
  }
}

interface Ranked {
  readonly pod: Pod
  readonly assigned: number
  readonly phase: number
  readonly ready: number
  readonly cost: number
  readonly onSameNode: number
  readonly readySince: Millis | undefined
  readonly restarts: { readonly containers: number; readonly sidecars: number }
  readonly created: Millis | undefined
  readonly uid: string
}

/** Newer first; unknown before all; in the same bucket 0. */
function newerFirst(a: Millis | undefined, b: Millis | undefined, now: Millis): number {
  if (a === b) return 0
  if (a === undefined) return -1
  if (b === undefined) return 1
  return ageBucket(a, now) - ageBucket(b, now)
}

function compare(a: Ranked, b: Ranked, now: Millis): number {
  const first =
    a.assigned - b.assigned || a.phase - b.phase || a.ready - b.ready || a.cost - b.cost || b.onSameNode - a.onSameNode
  if (first !== 0) return first
  const bothReady = a.ready === 1 && b.ready === 1
  const byReadiness = bothReady ? newerFirst(a.readySince, b.readySince, now) : 0
  if (byReadiness !== 0) return byReadiness
  const last =
    b.restarts.containers - a.restarts.containers ||
    b.restarts.sidecars - a.restarts.sidecars ||
    newerFirst(a.created, b.created, now)
  if (last !== 0) return last
  return a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0
}

/**
 * The pods in the order in which a scale-down takes them: unassigned < assigned, pending < unknown < running, not ready
 * < ready, cheaper < dearer, doubled up on a node < spread, ready for a shorter < longer time, more < fewer restarts (of
 * containers, then of sidecars), newer < older. `related` are the active pods of all ReplicaSets of the same owner, which the spread looks at.
 */
export function inDeletionOrder(pods: readonly Pod[], related: readonly Pod[], now: Millis): readonly Pod[] {
  const perNode = new Map<string, number>()
  for (const { spec } of related) {
    if (spec?.nodeName) perNode.set(spec.nodeName, (perNode.get(spec.nodeName) ?? 0) + 1)
  }
  const parse = (text: string | undefined): Millis | undefined => (text === undefined ? undefined : Date.parse(text))
  const ranked = pods.map((pod): Ranked => {
    const nodeName = pod.spec?.nodeName ?? ''
    return {
      pod,
      assigned: nodeName === '' ? 0 : 1,
      phase: PHASE_RANK[pod.status?.phase ?? 'Pending'] ?? 1,
      ready: isPodReady(pod) ? 1 : 0,
      cost: deletionCost(pod),
      onSameNode: perNode.get(nodeName) ?? 0,
      readySince: parse(podReadyCondition(pod)?.lastTransitionTime),
      restarts: restartsOf(pod),
      created: parse(pod.metadata?.creationTimestamp),
      uid: pod.metadata?.uid ?? '',
    }
  })
  return ranked.sort((a, b) => compare(a, b, now)).map(({ pod }) => pod)
}

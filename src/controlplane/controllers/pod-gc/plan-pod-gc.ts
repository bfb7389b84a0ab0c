import { isPodTerminal } from '../../../api/pod-readiness.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'

export interface PodGcConfig {
  /** How long a node must have been missing before its pods are taken for lost. */
  readonly quarantineMs: Millis
  /** More ended pods than this are not kept. */
  readonly terminatedMax: number
}

export type PodGcAction =
  /** To be deleted once a look at the server confirms that the node is gone. */
  | { readonly kind: 'deleteOrphan'; readonly pod: Pod; readonly nodeName: string; readonly why: string }
  | { readonly kind: 'deleteTerminated' | 'deleteUnscheduled'; readonly pod: Pod; readonly why: string }

export interface PodGcPlan {
  readonly actions: readonly PodGcAction[]
  /** Since when each missing node has been missed; monotonic. */
  readonly missingSince: ReadonlyMap<string, Millis>
}

function byCreation(a: Pod, b: Pod): number {
  const [first, second] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? '']
  if (first !== second) return first < second ? -1 : 1
  return (a.metadata?.uid ?? '') < (b.metadata?.uid ?? '') ? -1 : 1
}

/**
 * Pods that nobody will end: on nodes that are gone, being deleted before they had a node, or long ended and too many.
 * A node missing from the copy is only a suspicion; whoever carries the plan out asks the server first.
 */
export function planPodGc(
  pods: readonly Pod[],
  nodeNames: ReadonlySet<string>,
  missingBefore: ReadonlyMap<string, Millis>,
  config: PodGcConfig,
  now: Millis,
): PodGcPlan {
  const actions: PodGcAction[] = []
  const terminated = pods.filter((pod) => isPodTerminal(pod) && pod.metadata?.deletionTimestamp === undefined)
  const surplus = [...terminated].sort(byCreation).slice(0, Math.max(0, terminated.length - config.terminatedMax))
  for (const pod of surplus) {
    const why = `${terminated.length} ended pods are kept, at most ${config.terminatedMax} should be`
    actions.push({ kind: 'deleteTerminated', pod, why })
  }
  const missingSince = new Map<string, Millis>()
  for (const pod of [...pods].sort(byCreation)) {
    const nodeName = pod.spec?.nodeName ?? ''
    if (nodeName === '') {
      if (pod.metadata?.deletionTimestamp !== undefined) {
        actions.push({ kind: 'deleteUnscheduled', pod, why: 'it is being deleted and never had a node' })
      }
      continue
    }
    if (nodeNames.has(nodeName)) continue
    const since = missingBefore.get(nodeName) ?? now
    missingSince.set(nodeName, since)
    if (now - since < config.quarantineMs || surplus.includes(pod)) continue
    actions.push({ kind: 'deleteOrphan', pod, nodeName, why: 'PodGC: node no longer exists' })
  }
  return { actions, missingSince }
}

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
  | {
      readonly kind: 'deleteTerminated' | 'deleteUnscheduled' | 'deleteTerminating'
      readonly pod: Pod
      readonly why: string
    }

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

/** What pod cleanup asks of a node. */
export interface GcNode {
  /** Somebody says that it is down for good (taint `node.kubernetes.io/out-of-service`), and it is not ready. */
  readonly outOfService: boolean
}

/**
 * Pods that nobody will end: on nodes that are gone or out of service, being deleted before they had a node, or long
 * ended and too many. A node missing from the copy is only a suspicion; whoever carries the plan out asks the server
 * first. One pass over the pods; only those to be removed are sorted.
 */
export function planPodGc(
  pods: readonly Pod[],
  nodes: ReadonlyMap<string, GcNode>,
  missingBefore: ReadonlyMap<string, Millis>,
  config: PodGcConfig,
  now: Millis,
): PodGcPlan {
  const terminated: Pod[] = []
  const lost: PodGcAction[] = []
  const missingSince = new Map<string, Millis>()
  for (const pod of pods) {
    const leaving = pod.metadata?.deletionTimestamp !== undefined
    if (!leaving && isPodTerminal(pod)) terminated.push(pod)
    const nodeName = pod.spec?.nodeName ?? ''
    if (nodeName === '') {
      if (leaving) lost.push({ kind: 'deleteUnscheduled', pod, why: 'it is being deleted and never had a node' })
      continue
    }
    const node = nodes.get(nodeName)
    if (node !== undefined) {
      if (leaving && node.outOfService) lost.push({ kind: 'deleteTerminating', pod, why: 'its node is out of service' })
      continue
    }
    const since = missingBefore.get(nodeName) ?? now
    missingSince.set(nodeName, since)
    if (now - since < config.quarantineMs) continue
    lost.push({ kind: 'deleteOrphan', pod, nodeName, why: 'PodGC: node no longer exists' })
  }
  const surplus = Math.max(0, terminated.length - config.terminatedMax)
  const why = `${terminated.length} ended pods are kept, at most ${config.terminatedMax} should be`
  const oldest = new Set(surplus === 0 ? [] : terminated.sort(byCreation).slice(0, surplus))
  const ended = [...oldest].map((pod): PodGcAction => ({ kind: 'deleteTerminated', pod, why }))
  const others = lost.filter(({ pod }) => !oldest.has(pod)).sort((a, b) => byCreation(a.pod, b.pod))
  return { actions: [...ended, ...others], missingSince }
}

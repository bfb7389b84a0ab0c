import { setCondition } from '../../api/conditions.ts'
import { PODS } from '../../api/resource-type.ts'
import type { Pod, PodCondition } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import { isoSeconds } from './timestamp.ts'

export interface Disruption {
  readonly reason: string
  readonly message: string
  /** The pod can no longer end by itself: its phase becomes Failed. */
  readonly fail: boolean
}

/** Says on a pod that it is about to be deleted, and why, before it is. */
export async function markDisrupted(client: Client, pod: Pod, disruption: Disruption, now: Millis): Promise<void> {
  const { namespace, name = '', uid, resourceVersion } = pod.metadata ?? {}
  const { reason, message, fail } = disruption
  const condition: PodCondition = { type: 'DisruptionTarget', status: 'True', reason, message }
  const conditions = setCondition(pod.status?.conditions, condition, isoSeconds(now))
  const status = fail ? { conditions, phase: 'Failed' } : { conditions }
  await client.patch(
    PODS,
    { namespace, name },
    { metadata: { uid, resourceVersion }, status },
    { type: 'application/merge-patch+json', subresource: 'status' },
  )
}

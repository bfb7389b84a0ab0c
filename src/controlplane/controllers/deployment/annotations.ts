import type { Deployment, ReplicaSet } from '../../../api/types/apps-v1.gen.ts'

export const REVISION = 'deployment.kubernetes.io/revision'
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history'
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas'
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas'

const REVISION_HISTORY_LENGTH_MAX = 2_000

/** Annotations that say something of the Deployment alone. All others, `kubernetes.io/change-cause` among them, are copied. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
])

type Annotations = Readonly<Record<string, string>>

/** The revision an object carries; 0 when it has none. */
export function revisionOf(object: Deployment | ReplicaSet): number {
  const text = object.metadata?.annotations?.[REVISION]
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0
}

function withOlderRevision(history: string | undefined, revision: string): string {
  if (history === undefined || history === '') return revision
  const revisions = history.split(',')
  while (revisions.length > 0 && revisions.join(',').length + revision.length + 1 > REVISION_HISTORY_LENGTH_MAX) {
    revisions.shift()
  }
  return [...revisions, revision].join(',')
}

/**
 * The annotations of the newest ReplicaSet: the Deployment's own ones, and its revision, which only grows. A ReplicaSet
 * that becomes the newest again after a rollback keeps the revisions it had before in its history.
 */
export function newestAnnotations(current: Annotations, deployment: Deployment, revision: number): Annotations {
  const result: Record<string, string> = { ...current }
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {})) {
    if (!NOT_COPIED.has(key)) result[key] = value
  }
  const previous = current[REVISION]
  if (Number(previous ?? 0) < revision || previous === undefined) {
    if (previous !== undefined) result[REVISION_HISTORY] = withOlderRevision(current[REVISION_HISTORY], previous)
    result[REVISION] = String(revision)
  }
  return result
}

/** What a ReplicaSet remembers of its Deployment's size, by which a later change of size is shared out in proportion. */
export function replicasAnnotations(desired: number, max: number): Annotations {
  return { [DESIRED_REPLICAS]: String(desired), [MAX_REPLICAS]: String(max) }
}

/** A number kept in an annotation; undefined when there is none. */
export function numberAnnotation(replicaSet: ReplicaSet, key: string): number | undefined {
  const text = replicaSet.metadata?.annotations?.[key]
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

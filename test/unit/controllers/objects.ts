import fc from 'fast-check'
import type { ReplicaSet } from '../../../src/api/types/apps-v1.gen.ts'
import type { Node, Pod, PodSpec, PodStatus, Service, ServiceSpec } from '../../../src/api/types/core-v1.gen.ts'
import type { ObjectMeta } from '../../../src/api/types/meta-v1.gen.ts'
import { isoSeconds } from '../../../src/controlplane/controllers/timestamp.ts'

/** A moment that all tables count from. */
export const NOW = Date.UTC(2026, 0, 10, 12)

/** The moment so many seconds before `NOW`, as the API writes it. */
export function ago(seconds: number): string {
  return isoSeconds(NOW - seconds * 1000)
}

export interface PodParts {
  readonly metadata?: ObjectMeta
  readonly spec?: Partial<PodSpec>
  readonly status?: PodStatus
}

/** A pod that has run on `node-1` and been ready for a minute, but for what `parts` say. */
export function pod(name: string, { metadata, spec, status }: PodParts = {}): Pod {
  return {
    metadata: { namespace: 'default', name, uid: `uid-${name}`, creationTimestamp: ago(120), ...metadata },
    spec: { containers: [{ name: 'main', image: 'one' }], nodeName: 'node-1', ...spec },
    status: { phase: 'Running', conditions: ready(60), ...status },
  }
}

/** The conditions of a pod that has been ready, or not, for so many seconds. */
export function ready(seconds: number, status = 'True'): NonNullable<PodStatus['conditions']> {
  return [{ type: 'Ready', status, lastTransitionTime: ago(seconds) }]
}

export function replicaSet(name: string, replicas: number, more: Partial<ReplicaSet> = {}): ReplicaSet {
  const labels = { app: 'web' }
  return {
    metadata: { namespace: 'default', name, uid: `uid-${name}`, generation: 1, creationTimestamp: ago(600) },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'one' }] } },
    },
    ...more,
  }
}

export function node(name: string, ready: 'True' | 'False' | 'Unknown' | undefined, more: Partial<Node> = {}): Node {
  const conditions = ready === undefined ? [] : [{ type: 'Ready', status: ready, lastHeartbeatTime: ago(5) }]
  return { metadata: { name, uid: `uid-${name}`, creationTimestamp: ago(600) }, status: { conditions }, ...more }
}

export function service(name: string, spec: Partial<ServiceSpec> = {}, metadata: ObjectMeta = {}): Service {
  return {
    metadata: { namespace: 'default', name, uid: `uid-${name}`, creationTimestamp: ago(600), ...metadata },
    spec: { selector: { app: 'web' }, clusterIP: '127.70.16.9', ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  }
}

/** The same elements in some order. */
export function shuffled<T>(elements: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...elements], { minLength: elements.length, maxLength: elements.length })
}

/** Freezes deeply: a planner that writes into its input is found out. */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) frozen(part)
  }
  return value
}

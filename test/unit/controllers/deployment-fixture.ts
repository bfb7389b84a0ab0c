import type { Deployment, DeploymentSpec, ReplicaSet } from '../../../src/api/types/apps-v1.gen.ts'
import {
  type DeploymentObservation,
  type DeploymentPlan,
  planDeployment,
} from '../../../src/controlplane/controllers/deployment/plan-deployment.ts'
import { TEMPLATE_HASH_LABEL } from '../../../src/controlplane/controllers/deployment/template-hash.ts'
import { boundsOf } from '../../../src/controlplane/controllers/deployment/working-set.ts'
import { ago, frozen, NOW } from './objects.ts'

export const REVISION = 'deployment.kubernetes.io/revision'
export const DESIRED = 'deployment.kubernetes.io/desired-replicas'
export const MAX = 'deployment.kubernetes.io/max-replicas'

export function template(image: string, hash?: string): DeploymentSpec['template'] {
  const labels = { app: 'web', ...(hash === undefined ? {} : { [TEMPLATE_HASH_LABEL]: hash }) }
  return { metadata: { labels }, spec: { containers: [{ name: 'main', image }] } }
}

/** A Deployment of template `image`, as the API defaults one. */
export function deployment(image: string, replicas: number, more: Partial<DeploymentSpec> = {}): Deployment {
  return {
    metadata: { namespace: 'default', name: 'web', uid: 'uid-web', generation: 3, annotations: {} },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: template(image),
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...more,
    },
  }
}

export interface SetParts {
  readonly image: string
  readonly size: number
  /** Pods there are; by default as many as wanted. */
  readonly replicas?: number
  /** By default all there are. */
  readonly available?: number
  readonly revision?: number
  /** What it remembers of the Deployment's size; by default the size it has. */
  readonly desired?: number
  readonly max?: number
  readonly observed?: boolean
  readonly annotations?: Readonly<Record<string, string>>
}

/** The ReplicaSet of a template, named after its image; older revisions were created earlier. */
export function setOf(owner: Deployment, parts: SetParts): ReplicaSet {
  const { image, size, replicas = size, available = replicas, revision = 1 } = parts
  const bounds = boundsOf(owner)
  const name = `web-${image}`
  return {
    metadata: {
      namespace: 'default',
      name,
      uid: `uid-${name}`,
      generation: 2,
      creationTimestamp: ago(1_000 - revision),
      labels: { app: 'web', [TEMPLATE_HASH_LABEL]: image },
      annotations: {
        [REVISION]: String(revision),
        [DESIRED]: String(parts.desired ?? bounds.desired),
        [MAX]: String(parts.max ?? bounds.max),
        ...parts.annotations,
      },
    },
    spec: {
      replicas: size,
      minReadySeconds: 0,
      selector: { matchLabels: { app: 'web', [TEMPLATE_HASH_LABEL]: image } },
      template: template(image, image),
    },
    status: {
      replicas,
      readyReplicas: available,
      availableReplicas: available,
      observedGeneration: parts.observed === false ? 1 : 2,
    },
  }
}

export function observation(replicaSets: readonly ReplicaSet[]): DeploymentObservation {
  return { replicaSets, podsByReplicaSet: new Map() }
}

export function plan(owner: Deployment, sets: readonly ReplicaSet[], now = NOW): DeploymentPlan {
  return planDeployment(frozen(owner), frozen(observation(sets)), now)
}

/** Each ReplicaSet's size after the plan, by name: `{ one: 3, two: 1 }`; a new one is called `new`. */
export function sizes(sets: readonly ReplicaSet[], { actions }: DeploymentPlan): Readonly<Record<string, number>> {
  const result = Object.fromEntries(sets.map(({ metadata, spec }) => [metadata!.name!.slice(4), spec?.replicas ?? 1]))
  for (const action of actions) {
    if (action.kind === 'createReplicaSet') result.new = action.replicaSet.spec?.replicas ?? 1
    if (action.kind === 'updateReplicaSet') result[action.replicaSet.metadata!.name!.slice(4)] = action.to
    if (action.kind === 'deleteReplicaSet') delete result[action.replicaSet.metadata!.name!.slice(4)]
  }
  return result
}

export function condition(owner: DeploymentPlan, type: string): string {
  const found = owner.status.conditions?.find((one) => one.type === type)
  return found === undefined ? '' : `${found.status} ${found.reason}: ${found.message}`
}

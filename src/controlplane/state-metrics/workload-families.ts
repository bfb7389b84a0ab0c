import type { KubeObject } from '../../api/object.ts'
import { DEPLOYMENTS, REPLICA_SETS } from '../../api/resource-type.ts'
import type { Deployment, ReplicaSet } from '../../api/types/apps-v1.gen.ts'
import { labelsFamily } from './label-labels.ts'
import { emitCondition, type Labels, numberOf, type StateFamily, type StateKind, secondsOf } from './state-family.ts'

function named(label: string): (object: KubeObject) => Labels {
  return ({ metadata }) => ({ namespace: metadata?.namespace, [label]: metadata?.name })
}

/** Numbers of a kind: name without its prefix, help, value. */
function numbers<T extends KubeObject>(
  what: string,
  own: (object: T) => Labels,
  table: readonly (readonly [name: string, help: string, value: (object: T) => number | undefined])[],
): readonly StateFamily<T>[] {
  return table.map(([name, help, value]) => numberOf(`kube_${what}_${name}`, help, own, value))
}

/** `25%` of this many, or the number itself; as the deployment controller rounds. */
function share(value: string | number | undefined, of: number, round: (value: number) => number): number | undefined {
  if (value === undefined || typeof value === 'number') return value
  const percent = /^(\d+)%$/.exec(value)?.[1]
  return percent === undefined ? undefined : round((of * Number(percent)) / 100)
}

const ofDeployment = named('deployment')
const ofReplicaSet = named('replicaset')

export const DEPLOYMENT_STATE: StateKind<Deployment> = {
  type: DEPLOYMENTS,
  families: [
    ...numbers<Deployment>('deployment', ofDeployment, [
      ['created', 'Unix creation timestamp', ({ metadata }) => secondsOf(metadata?.creationTimestamp)],
      [
        'metadata_generation',
        'Sequence number representing a specific generation of the desired state.',
        ({ metadata }) => metadata?.generation,
      ],
      ['spec_replicas', 'Number of desired pods for a deployment.', ({ spec }) => spec?.replicas],
      [
        'spec_paused',
        'Whether the deployment is paused and will not be processed by the deployment controller.',
        ({ spec }) => Number(spec?.paused === true),
      ],
      [
        'spec_strategy_rollingupdate_max_unavailable',
        'Maximum number of unavailable replicas during a rolling update of a deployment.',
        ({ spec }) => share(spec?.strategy?.rollingUpdate?.maxUnavailable, spec?.replicas ?? 1, Math.floor),
      ],
      [
        'spec_strategy_rollingupdate_max_surge',
        'Maximum number of replicas that can be scheduled above the desired number of replicas during a rolling update of a deployment.',
        ({ spec }) => share(spec?.strategy?.rollingUpdate?.maxSurge, spec?.replicas ?? 1, Math.ceil),
      ],
      ['status_replicas', 'The number of replicas per deployment.', ({ status }) => status?.replicas ?? 0],
      [
        'status_replicas_ready',
        'The number of ready replicas per deployment.',
        ({ status }) => status?.readyReplicas ?? 0,
      ],
      [
        'status_replicas_available',
        'The number of available replicas per deployment.',
        ({ status }) => status?.availableReplicas ?? 0,
      ],
      [
        'status_replicas_unavailable',
        'The number of unavailable replicas per deployment.',
        ({ status }) => status?.unavailableReplicas ?? 0,
      ],
      [
        'status_replicas_updated',
        'The number of updated replicas per deployment.',
        ({ status }) => status?.updatedReplicas ?? 0,
      ],
      [
        'status_observed_generation',
        'The generation observed by the deployment controller.',
        ({ status }) => status?.observedGeneration ?? 0,
      ],
    ]),
    {
      name: 'kube_deployment_status_condition',
      type: 'gauge',
      help: 'The current status conditions of a deployment.',
      mayRepeat: true,
      write(deployment, emit) {
        for (const { type, status, reason } of deployment.status?.conditions ?? [])
          emitCondition(emit, { ...ofDeployment(deployment), condition: type, reason }, status)
      },
    },
    labelsFamily('deployment', ofDeployment),
  ],
}

export const REPLICA_SET_STATE: StateKind<ReplicaSet> = {
  type: REPLICA_SETS,
  families: [
    ...numbers<ReplicaSet>('replicaset', ofReplicaSet, [
      ['created', 'Unix creation timestamp', ({ metadata }) => secondsOf(metadata?.creationTimestamp)],
      [
        'metadata_generation',
        'Sequence number representing a specific generation of the desired state.',
        ({ metadata }) => metadata?.generation,
      ],
      ['spec_replicas', 'Number of desired pods for a ReplicaSet.', ({ spec }) => spec?.replicas],
      ['status_replicas', 'The number of replicas per ReplicaSet.', ({ status }) => status?.replicas ?? 0],
      [
        'status_fully_labeled_replicas',
        'The number of fully labeled replicas per ReplicaSet.',
        ({ status }) => status?.fullyLabeledReplicas ?? 0,
      ],
      [
        'status_ready_replicas',
        'The number of ready replicas per ReplicaSet.',
        ({ status }) => status?.readyReplicas ?? 0,
      ],
      [
        'status_observed_generation',
        'The generation observed by the ReplicaSet controller.',
        ({ status }) => status?.observedGeneration ?? 0,
      ],
    ]),
    {
      name: 'kube_replicaset_owner',
      type: 'gauge',
      help: "Information about the ReplicaSet's owner.",
      mayRepeat: true,
      write(set, emit) {
        for (const { kind, name, controller } of set.metadata?.ownerReferences ?? []) {
          const owner = { owner_kind: kind, owner_name: name, owner_is_controller: String(controller === true) }
          emit({ ...ofReplicaSet(set), ...owner }, 1)
        }
      },
    },
    labelsFamily('replicaset', ofReplicaSet),
  ],
}

import { findCondition } from '../../api/conditions.ts'
import { PODS } from '../../api/resource-type.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import { labelsFamily } from './label-labels.ts'
import { POD_CONTAINER_FAMILIES } from './pod-container-families.ts'
import { emitCondition, type Labels, numberOf, type StateFamily, type StateKind, secondsOf } from './state-family.ts'

const PHASES = ['Pending', 'Succeeded', 'Failed', 'Unknown', 'Running'] as const
const REASONS = ['Evicted', 'NodeAffinity', 'NodeLost', 'Shutdown', 'UnexpectedAdmissionError'] as const

function own({ metadata }: Pod): Labels {
  return { namespace: metadata?.namespace, pod: metadata?.name, uid: metadata?.uid }
}

function condition(name: string, help: string, type: string): StateFamily<Pod> {
  return {
    name,
    type: 'gauge',
    help,
    write(pod, emit) {
      const found = findCondition(pod.status?.conditions, type)
      if (found !== undefined) emitCondition(emit, own(pod), found.status, 'condition')
    },
  }
}

const FAMILIES: readonly StateFamily<Pod>[] = [
  {
    name: 'kube_pod_info',
    type: 'gauge',
    help: 'Information about pod.',
    write(pod, emit) {
      const { spec, status, metadata } = pod
      const creator = metadata?.ownerReferences?.find(({ controller }) => controller === true)
      const info = {
        host_ip: status?.hostIP,
        pod_ip: status?.podIP,
        node: spec?.nodeName,
        created_by_kind: creator?.kind,
        created_by_name: creator?.name,
        priority_class: spec?.priorityClassName,
        host_network: String(spec?.hostNetwork === true),
      }
      emit({ ...own(pod), ...info }, 1)
    },
  },
  {
    name: 'kube_pod_status_phase',
    type: 'gauge',
    help: 'The pods current phase.',
    write(pod, emit) {
      const labels = own(pod)
      const now = pod.status?.phase ?? 'Pending'
      for (const phase of PHASES) emit({ ...labels, phase }, phase === now ? 1 : 0)
    },
  },
  condition('kube_pod_status_ready', 'Describes whether the pod is ready to serve requests.', 'Ready'),
  condition('kube_pod_status_scheduled', 'Describes the status of the scheduling process for the pod.', 'PodScheduled'),
  numberOf('kube_pod_status_unschedulable', 'Describes the unschedulable status for the pod.', own, ({ status }) =>
    findCondition(status?.conditions, 'PodScheduled')?.reason === 'Unschedulable' ? 1 : undefined,
  ),
  {
    name: 'kube_pod_status_reason',
    type: 'gauge',
    help: 'The pod status reasons',
    write(pod, emit) {
      // Only of those that have one: five lines of zeros for each pod tell nothing.
      const reason = REASONS.find((one) => one === pod.status?.reason)
      if (reason !== undefined) emit({ ...own(pod), reason }, 1)
    },
  },
  {
    name: 'kube_pod_owner',
    type: 'gauge',
    help: "Information about the Pod's owner.",
    mayRepeat: true,
    write(pod, emit) {
      for (const { kind, name, controller } of pod.metadata?.ownerReferences ?? [])
        emit({ ...own(pod), owner_kind: kind, owner_name: name, owner_is_controller: String(controller === true) }, 1)
    },
  },
  labelsFamily('pod', own),
  numberOf('kube_pod_created', 'Unix creation timestamp', own, ({ metadata }) =>
    secondsOf(metadata?.creationTimestamp),
  ),
  numberOf('kube_pod_start_time', 'Start time in unix timestamp for a pod.', own, ({ status }) =>
    secondsOf(status?.startTime),
  ),
  numberOf('kube_pod_deletion_timestamp', 'Unix deletion timestamp', own, ({ metadata }) =>
    secondsOf(metadata?.deletionTimestamp),
  ),
  numberOf('kube_pod_completion_time', 'Completion time in unix timestamp for a pod.', own, ({ status }) => {
    if (status?.phase !== 'Succeeded' && status?.phase !== 'Failed') return undefined
    const ends = (status.containerStatuses ?? []).map(({ state }) => secondsOf(state?.terminated?.finishedAt) ?? 0)
    return Math.max(0, ...ends) || undefined
  }),
  numberOf(
    'kube_pod_restart_policy',
    'Describes the restart policy in use by this pod.',
    (pod) => ({ ...own(pod), type: pod.spec?.restartPolicy }),
    () => 1,
  ),
]

export const POD_STATE: StateKind<Pod> = { type: PODS, families: [...FAMILIES, ...POD_CONTAINER_FAMILIES] }

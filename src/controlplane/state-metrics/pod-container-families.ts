import type { Container, ContainerStatus, Pod } from '../../api/types/core-v1.gen.ts'
import { resourceAmounts } from './resource-amount.ts'
import { type Emit, type Labels, type StateFamily, secondsOf } from './state-family.ts'

type Kind = 'container' | 'init_container'

function own({ metadata }: Pod, container: string): Labels {
  return { namespace: metadata?.namespace, pod: metadata?.name, uid: metadata?.uid, container }
}

function statusesOf({ status }: Pod, kind: Kind): readonly ContainerStatus[] {
  return (kind === 'container' ? status?.containerStatuses : status?.initContainerStatuses) ?? []
}

function containersOf({ spec }: Pod, kind: Kind): readonly Container[] {
  return (kind === 'container' ? spec?.containers : spec?.initContainers) ?? []
}

/** A number of each container's status. */
function ofStatus(
  kind: Kind,
  name: string,
  help: string,
  value: (status: ContainerStatus) => number | undefined,
  type: 'gauge' | 'counter' = 'gauge',
): StateFamily<Pod> {
  return {
    name: `kube_pod_${kind}_${name}`,
    type,
    help,
    write(pod, emit) {
      for (const status of statusesOf(pod, kind)) {
        const found = value(status)
        if (found !== undefined) emit(own(pod, status.name), found)
      }
    },
  }
}

/** Why a container is in a state, for those that are: one line with the reason. */
function reasonOf(
  kind: Kind,
  name: string,
  help: string,
  reason: (status: ContainerStatus) => string | undefined,
): StateFamily<Pod> {
  return {
    name: `kube_pod_${kind}_${name}`,
    type: 'gauge',
    help,
    write(pod, emit) {
      for (const status of statusesOf(pod, kind)) {
        const found = reason(status)
        if (found !== undefined && found !== '') emit({ ...own(pod, status.name), reason: found }, 1)
      }
    },
  }
}

function emitAmounts(
  pod: Pod,
  kind: Kind,
  list: (container: Container) => Readonly<Record<string, string>> | undefined,
  emit: Emit,
): void {
  for (const container of containersOf(pod, kind))
    for (const { resource, unit, value } of resourceAmounts(list(container)))
      emit({ ...own(pod, container.name), node: pod.spec?.nodeName, resource, unit }, value)
}

function families(kind: Kind): readonly StateFamily<Pod>[] {
  const what = kind === 'container' ? 'container' : 'init container'
  return [
    {
      name: `kube_pod_${kind}_info`,
      type: 'gauge',
      help: `Information about ${kind === 'container' ? 'a container' : 'an init container'} in a pod.`,
      write(pod, emit) {
        const containers = containersOf(pod, kind)
        for (const { name, image, imageID, containerID } of statusesOf(pod, kind)) {
          const image_spec = containers.find((container) => container.name === name)?.image
          emit({ ...own(pod, name), image_spec, image, image_id: imageID, container_id: containerID }, 1)
        }
      },
    },
    ofStatus(
      kind,
      'status_restarts_total',
      `The number of ${what} restarts per container.`,
      ({ restartCount }) => restartCount,
      'counter',
    ),
    ofStatus(kind, 'status_ready', `Describes whether the ${what}s readiness check succeeded.`, ({ ready }) =>
      Number(ready),
    ),
    ofStatus(kind, 'status_running', `Describes whether the ${what} is currently in running state.`, ({ state }) =>
      Number(state?.running !== undefined),
    ),
    ofStatus(kind, 'status_waiting', `Describes whether the ${what} is currently in waiting state.`, ({ state }) =>
      Number(state?.waiting !== undefined),
    ),
    ofStatus(
      kind,
      'status_terminated',
      `Describes whether the ${what} is currently in terminated state.`,
      ({ state }) => Number(state?.terminated !== undefined),
    ),
    reasonOf(
      kind,
      'status_waiting_reason',
      `Describes the reason the ${what} is currently in waiting state.`,
      ({ state }) => state?.waiting?.reason,
    ),
    reasonOf(
      kind,
      'status_terminated_reason',
      `Describes the reason the ${what} is currently in terminated state.`,
      ({ state }) => state?.terminated?.reason,
    ),
    reasonOf(
      kind,
      'status_last_terminated_reason',
      `Describes the last reason the ${what} was in terminated state.`,
      ({ lastState }) => lastState?.terminated?.reason,
    ),
    {
      name: `kube_pod_${kind}_resource_requests`,
      type: 'gauge',
      help: `The number of requested request resource by ${what === 'container' ? 'a container' : 'an init container'}.`,
      write: (pod, emit) => emitAmounts(pod, kind, ({ resources }) => resources?.requests, emit),
    },
    {
      name: `kube_pod_${kind}_resource_limits`,
      type: 'gauge',
      help: `The number of requested limit resource by ${what === 'container' ? 'a container' : 'an init container'}.`,
      write: (pod, emit) => emitAmounts(pod, kind, ({ resources }) => resources?.limits, emit),
    },
  ]
}

export const POD_CONTAINER_FAMILIES: readonly StateFamily<Pod>[] = [
  ...families('container'),
  ofStatus(
    'container',
    'status_last_terminated_exitcode',
    'Describes the exit code for the last container in terminated state.',
    ({ lastState }) => lastState?.terminated?.exitCode,
  ),
  ofStatus('container', 'state_started', 'Start time in unix timestamp for a pod container.', ({ state }) =>
    secondsOf(state?.running?.startedAt ?? state?.terminated?.startedAt),
  ),
  ...families('init_container'),
]

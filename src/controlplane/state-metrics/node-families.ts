import { NODES } from '../../api/resource-type.ts'
import type { Node } from '../../api/types/core-v1.gen.ts'
import { labelsFamily } from './label-labels.ts'
import { resourceAmounts } from './resource-amount.ts'
import { emitCondition, type Labels, numberOf, type StateFamily, type StateKind, secondsOf } from './state-family.ts'

const ROLE_LABEL = 'node-role.kubernetes.io/'

function own({ metadata }: Node): Labels {
  return { node: metadata?.name }
}

function amounts(
  name: string,
  help: string,
  list: (node: Node) => Readonly<Record<string, string>> | undefined,
): StateFamily<Node> {
  return {
    name,
    type: 'gauge',
    help,
    write(node, emit) {
      for (const { resource, unit, value } of resourceAmounts(list(node))) emit({ ...own(node), resource, unit }, value)
    },
  }
}

export const NODE_STATE: StateKind<Node> = {
  type: NODES,
  families: [
    {
      name: 'kube_node_info',
      type: 'gauge',
      help: 'Information about a cluster node.',
      write(node, emit) {
        const { spec, status } = node
        const info = status?.nodeInfo
        emit(
          {
            ...own(node),
            kernel_version: info?.kernelVersion,
            os_image: info?.osImage,
            container_runtime_version: info?.containerRuntimeVersion,
            kubelet_version: info?.kubeletVersion,
            kubeproxy_version: info?.kubeProxyVersion,
            provider_id: spec?.providerID,
            pod_cidr: spec?.podCIDR,
            system_uuid: info?.systemUUID,
            internal_ip: status?.addresses?.find(({ type }) => type === 'InternalIP')?.address,
          },
          1,
        )
      },
    },
    numberOf('kube_node_created', 'Unix creation timestamp', own, ({ metadata }) =>
      secondsOf(metadata?.creationTimestamp),
    ),
    labelsFamily('node', own),
    {
      name: 'kube_node_role',
      type: 'gauge',
      help: 'The role of a cluster node.',
      write(node, emit) {
        for (const name of Object.keys(node.metadata?.labels ?? {}))
          if (name.startsWith(ROLE_LABEL)) emit({ ...own(node), role: name.slice(ROLE_LABEL.length) }, 1)
      },
    },
    numberOf('kube_node_spec_unschedulable', 'Whether a node can schedule new pods.', own, ({ spec }) =>
      Number(spec?.unschedulable === true),
    ),
    {
      name: 'kube_node_spec_taint',
      type: 'gauge',
      help: 'The taint of a cluster node.',
      mayRepeat: true,
      write(node, emit) {
        for (const { key, value, effect } of node.spec?.taints ?? []) emit({ ...own(node), key, value, effect }, 1)
      },
    },
    {
      name: 'kube_node_status_condition',
      type: 'gauge',
      help: 'The condition of a cluster node.',
      mayRepeat: true,
      write(node, emit) {
        for (const { type, status } of node.status?.conditions ?? [])
          emitCondition(emit, { ...own(node), condition: type }, status)
      },
    },
    amounts(
      'kube_node_status_capacity',
      'The capacity for different resources of a node.',
      ({ status }) => status?.capacity,
    ),
    amounts(
      'kube_node_status_allocatable',
      'The allocatable for different resources of a node that are available for scheduling.',
      ({ status }) => status?.allocatable,
    ),
  ],
}

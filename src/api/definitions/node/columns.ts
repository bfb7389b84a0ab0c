import { findCondition } from '../../conditions.ts'
import type { TableColumn } from '../../definition.ts'
import type { Node } from '../../types/core-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from '../name-and-age-columns.ts'

const ROLE_PREFIX = 'node-role.kubernetes.io/'
const ROLE_LABEL = 'kubernetes.io/role'

function statusOf(node: Node): string {
  const ready = findCondition(node.status?.conditions, 'Ready')
  const states = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady']
  if (node.spec?.unschedulable === true) states.push('SchedulingDisabled')
  return states.join(',')
}

function rolesOf(node: Node): string {
  const roles = new Set<string>()
  for (const [key, value] of Object.entries(node.metadata?.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length))
    else if (key === ROLE_LABEL && value !== '') roles.add(value)
  }
  return roles.size === 0 ? '<none>' : [...roles].sort().join(',')
}

function addressOf(node: Node, type: string): string {
  return node.status?.addresses?.find((address) => address.type === type)?.address ?? '<none>'
}

export const NODE_COLUMNS: readonly TableColumn<Node>[] = [
  NAME_COLUMN,
  { name: 'Status', type: 'string', description: 'Whether pods can run there.', cell: statusOf },
  { name: 'Roles', type: 'string', description: 'What the node is for, from its labels.', cell: rolesOf },
  AGE_COLUMN,
  {
    name: 'Version',
    type: 'string',
    description: 'Version of the node agent.',
    cell: (node) => node.status?.nodeInfo?.kubeletVersion ?? '',
  },
  {
    name: 'Internal-IP',
    type: 'string',
    priority: 1,
    description: 'Its address inside the cluster.',
    cell: (node) => addressOf(node, 'InternalIP'),
  },
  {
    name: 'External-IP',
    type: 'string',
    priority: 1,
    description: 'Its address outside the cluster.',
    cell: (node) => addressOf(node, 'ExternalIP'),
  },
  {
    name: 'OS-Image',
    type: 'string',
    priority: 1,
    description: 'The operating system.',
    cell: (node) => node.status?.nodeInfo?.osImage || '<unknown>',
  },
  {
    name: 'Kernel-Version',
    type: 'string',
    priority: 1,
    description: 'The kernel.',
    cell: (node) => node.status?.nodeInfo?.kernelVersion || '<unknown>',
  },
  {
    name: 'Container-Runtime',
    type: 'string',
    priority: 1,
    description: 'What runs the containers.',
    cell: (node) => node.status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
  },
]

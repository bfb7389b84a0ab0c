import type { ResourceDefinition } from '../../definition.ts'
import type { Draft } from '../../object.ts'
import type { Node } from '../../types/core-v1.gen.ts'
import { ALL_VERBS } from '../verbs.ts'
import { NODE_COLUMNS } from './columns.ts'
import { validateNode, validateNodeStatus, validateNodeUpdate } from './validation.ts'

function setDefaults(draft: Draft<Node>): void {
  draft.spec ??= {}
  draft.status ??= {}
  const { spec, status } = draft
  if (spec.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR]
  else if (!spec.podCIDR && spec.podCIDRs?.length) spec.podCIDR = spec.podCIDRs[0]
  if (status.capacity !== undefined) status.allocatable ??= { ...status.capacity }
}

export const NODE: ResourceDefinition<Node> = {
  group: '',
  version: 'v1',
  resource: 'nodes',
  singular: 'node',
  kind: 'Node',
  listKind: 'NodeList',
  namespaced: false,
  shortNames: ['no'],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.Node',
  storagePrefix: '/registry/minions',
  nameKind: 'subdomain',
  defaults: setDefaults,
  // A node agent registers its node together with the status.
  prepareForCreate() {},
  prepareForUpdate(draft, previous) {
    draft.status = previous.status as Draft<Node>['status']
  },
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<Node>['spec']
    },
    validateUpdate: validateNodeStatus,
  },
  selectableFields: { 'spec.unschedulable': (node) => String(node.spec?.unschedulable === true) },
  columns: NODE_COLUMNS,
  otherSubresources: [{ name: 'proxy', kind: 'NodeProxyOptions', verbs: ['get'] }],
}

import type { ResourceDefinition } from '../../definition.ts'
import type { Pod } from '../../types/core-v1.gen.ts'
import { ALL_VERBS } from '../verbs.ts'
import { POD_COLUMNS } from './columns.ts'
import { setPodDefaults } from './defaults.ts'
import { validatePodSpec } from './spec-validation.ts'
import { validatePodStatus } from './status-validation.ts'
import {
  podGracePeriodSeconds,
  preparePodForCreate,
  preparePodForUpdate,
  preparePodStatusForUpdate,
} from './strategy.ts'
import { validatePodUpdate } from './update-validation.ts'
import { podWarnings } from './warnings.ts'

export const POD: ResourceDefinition<Pod> = {
  group: '',
  version: 'v1',
  resource: 'pods',
  singular: 'pod',
  kind: 'Pod',
  listKind: 'PodList',
  namespaced: true,
  shortNames: ['po'],
  categories: ['all'],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.Pod',
  storagePrefix: '/registry/pods',
  nameKind: 'subdomain',
  defaults: setPodDefaults,
  prepareForCreate: preparePodForCreate,
  prepareForUpdate: preparePodForUpdate,
  validate: (pod) => validatePodSpec(pod.spec!, 'spec'),
  validateUpdate: validatePodUpdate,
  warnings: (pod) => podWarnings(pod),
  deletionGracePeriodSeconds: podGracePeriodSeconds,
  status: { prepareForUpdate: preparePodStatusForUpdate, validateUpdate: validatePodStatus },
  selectableFields: {
    'spec.nodeName': (pod) => pod.spec?.nodeName ?? '',
    'spec.restartPolicy': (pod) => pod.spec?.restartPolicy ?? '',
    'spec.schedulerName': (pod) => pod.spec?.schedulerName ?? '',
    'spec.serviceAccountName': (pod) => pod.spec?.serviceAccountName ?? '',
    'spec.hostNetwork': (pod) => String(pod.spec?.hostNetwork === true),
    'status.phase': (pod) => pod.status?.phase ?? '',
    'status.podIP': (pod) => pod.status?.podIP ?? '',
    'status.nominatedNodeName': (pod) => pod.status?.nominatedNodeName ?? '',
  },
  columns: POD_COLUMNS,
  otherSubresources: [
    { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
    { name: 'log', kind: 'Pod', verbs: ['get'] },
    { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
  ],
}

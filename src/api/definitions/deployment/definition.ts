import type { ResourceDefinition } from '../../definition.ts'
import { labelMatcherOf } from '../../label-selector.ts'
import type { Draft } from '../../object.ts'
import type { Deployment, DeploymentSpec } from '../../types/apps-v1.gen.ts'
import { firstGeneration, nextGeneration } from '../generation.ts'
import { AGE_COLUMN, NAME_COLUMN } from '../name-and-age-columns.ts'
import { setTemplateDefaults } from '../pod/template.ts'
import { podWarnings } from '../pod/warnings.ts'
import { semanticEqual } from '../semantic-equal.ts'
import { TEMPLATE_COLUMNS } from '../template-columns.ts'
import { ALL_VERBS } from '../verbs.ts'
import { validateDeployment, validateDeploymentStatus, validateDeploymentUpdate } from './validation.ts'

function setDefaults(draft: Draft<Deployment>): void {
  draft.status ??= {}
  draft.spec ??= {} as Draft<DeploymentSpec>
  const { spec } = draft
  spec.replicas ??= 1
  spec.strategy ??= {}
  if (!spec.strategy.type) spec.strategy.type = 'RollingUpdate'
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {}
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%'
    spec.strategy.rollingUpdate.maxSurge ??= '25%'
  }
  spec.revisionHistoryLimit ??= 10
  spec.progressDeadlineSeconds ??= 600
  spec.template ??= {}
  setTemplateDefaults(spec.template)
}

export const DEPLOYMENT: ResourceDefinition<Deployment> = {
  group: 'apps',
  version: 'v1',
  resource: 'deployments',
  singular: 'deployment',
  kind: 'Deployment',
  listKind: 'DeploymentList',
  namespaced: true,
  shortNames: ['deploy'],
  categories: ['all'],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.apps.v1.Deployment',
  storagePrefix: '/registry/deployments',
  nameKind: 'subdomain',
  defaults: setDefaults,
  prepareForCreate(draft) {
    draft.status = {}
    firstGeneration(draft)
  },
  prepareForUpdate(draft, previous) {
    draft.status = previous.status as Draft<Deployment>['status']
    // Annotations count too: they travel on to the ReplicaSets.
    const same =
      semanticEqual(draft.spec, previous.spec) &&
      semanticEqual(draft.metadata?.annotations ?? {}, previous.metadata?.annotations ?? {})
    nextGeneration(draft, previous, !same)
  },
  validate: validateDeployment,
  validateUpdate: validateDeploymentUpdate,
  warnings: ({ spec }) => (spec?.template === undefined ? [] : podWarnings(spec.template, 'spec.template.')),
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<Deployment>['spec']
      draft.metadata ??= {}
      draft.metadata.labels = previous.metadata?.labels as Record<string, string> | undefined
    },
    validateUpdate: validateDeploymentStatus,
  },
  scale: {
    replicas: (deployment) => deployment.spec?.replicas ?? 0,
    withReplicas(draft, replicas) {
      draft.spec!.replicas = replicas
    },
    statusReplicas: (deployment) => deployment.status?.replicas ?? 0,
    selector: (deployment) => labelMatcherOf(deployment.spec?.selector).text,
  },
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    {
      name: 'Ready',
      type: 'string',
      description: 'Ready pods of all that are wanted.',
      cell: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    },
    {
      name: 'Up-to-date',
      type: 'string',
      description: 'Pods made from the current template.',
      cell: ({ status }) => status?.updatedReplicas ?? 0,
    },
    {
      name: 'Available',
      type: 'string',
      description: 'Pods that have been ready for long enough.',
      cell: ({ status }) => status?.availableReplicas ?? 0,
    },
    AGE_COLUMN,
    ...TEMPLATE_COLUMNS,
  ],
  otherSubresources: [],
}

import type { ResourceDefinition } from '../../definition.ts'
import type { Draft } from '../../object.ts'
import type { Service } from '../../types/core-v1.gen.ts'
import { ALL_VERBS } from '../verbs.ts'
import { SERVICE_COLUMNS } from './columns.ts'
import { setServiceDefaults } from './defaults.ts'
import { prepareServiceForCreate, prepareServiceForUpdate } from './strategy.ts'
import { validateService, validateServiceStatus, validateServiceUpdate } from './validation.ts'

function warningsOf({ spec = {} }: Service): readonly string[] {
  const warnings: string[] = []
  if (spec.externalIPs?.length)
    warnings.push(
      'spec.externalIPs: external IPs let a Service take traffic meant for others; prefer type LoadBalancer',
    )
  if (spec.clusterIP === 'None' && spec.loadBalancerIP)
    warnings.push("spec.loadBalancerIP is ignored for headless Services (clusterIP 'None')")
  if (spec.clusterIP === 'None' && spec.sessionAffinity === 'ClientIP')
    warnings.push('spec.SessionAffinity is ignored for headless services')
  if (spec.type === 'ExternalName' && spec.selector !== undefined)
    warnings.push('spec.selector is ignored for Services of type ExternalName')
  return warnings
}

export const SERVICE: ResourceDefinition<Service> = {
  group: '',
  version: 'v1',
  resource: 'services',
  singular: 'service',
  kind: 'Service',
  listKind: 'ServiceList',
  namespaced: true,
  shortNames: ['svc'],
  categories: ['all'],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.core.v1.Service',
  storagePrefix: '/registry/services/specs',
  nameKind: 'label1035',
  allowCreateOnUpdate: true,
  defaults: setServiceDefaults,
  prepareForCreate: prepareServiceForCreate,
  prepareForUpdate: prepareServiceForUpdate,
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  warnings: warningsOf,
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<Service>['spec']
    },
    validateUpdate: validateServiceStatus,
  },
  selectableFields: {
    'spec.clusterIP': (service) => service.spec?.clusterIP ?? '',
    'spec.type': (service) => service.spec?.type ?? '',
  },
  columns: SERVICE_COLUMNS,
  otherSubresources: [],
}

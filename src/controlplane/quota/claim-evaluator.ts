import { parseQuantity, type Quantity } from '../../api/quantity.ts'
import type { PersistentVolumeClaim, ScopedResourceSelectorRequirement } from '../../api/types/core-v1.gen.ts'
import { pieces } from './amounts.ts'
import type { QuotaEvaluator } from './evaluator.ts'
import { objectCountName } from './object-count.ts'

const TYPE = { group: '', resource: 'persistentvolumeclaims' }
const COUNT = objectCountName(TYPE)
/** `gold.storageclass.storage.k8s.io/requests.storage`: what claims of one class ask for. */
const OF_CLASS = '.storageclass.storage.k8s.io/'
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class'

function classOf({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata?.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName ?? ''
}

function isInAttributesClass(name: string, { operator, values = [] }: ScopedResourceSelectorRequirement): boolean {
  if (operator === 'Exists') return name !== ''
  if (operator === 'DoesNotExist') return name === ''
  return operator === 'In' ? values.includes(name) : !values.includes(name)
}

/** Claims on volumes by number and by what they ask for, together and by class. */
export const CLAIM_EVALUATOR: QuotaEvaluator<PersistentVolumeClaim> = {
  ...TYPE,
  counts: (name) =>
    name === COUNT || name === 'persistentvolumeclaims' || name === 'requests.storage' || name.includes(OF_CLASS),
  charges: (operation, subresource) => operation !== 'DELETE' && subresource === '',
  usage(claim) {
    const usage = new Map<string, Quantity>([
      [COUNT, pieces(1)],
      ['persistentvolumeclaims', pieces(1)],
    ])
    const className = classOf(claim)
    if (className !== '') usage.set(`${className}${OF_CLASS}persistentvolumeclaims`, pieces(1))
    const storage = claim.spec?.resources?.requests?.storage
    if (storage === undefined) return usage
    usage.set('requests.storage', parseQuantity(storage))
    if (className !== '') usage.set(`${className}${OF_CLASS}requests.storage`, parseQuantity(storage))
    return usage
  },
  isIn: (scope, { spec }) =>
    scope.scopeName === 'VolumeAttributesClass' && isInAttributesClass(spec?.volumeAttributesClassName ?? '', scope),
}

import type { ResourceDefinition } from '../../../api/definition.ts'
import { LIMIT_RANGE } from '../../../api/definitions/limit-range/definition.ts'
import type { Draft } from '../../../api/object.ts'
import type { LimitRange, PersistentVolumeClaim, Pod } from '../../../api/types/core-v1.gen.ts'
import { applyLimitDefaults } from '../../quota/apply-limit-defaults.ts'
import { checkLimits } from '../../quota/check-limits.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts'
import type { ResourceCache } from '../cache/resource-cache.ts'
import { storageKey } from '../request-info.ts'
import { announceInNamespace } from './announce-in-namespace.ts'
import { forbiddenByAdmission } from './forbidden-by-admission.ts'

type Subject = Pick<AdmissionRequest, 'definition' | 'operation' | 'subresource'>

/** Containers of a pod change only by being resized. */
function isPod({ definition, operation, subresource }: Subject): boolean {
  if (definition.group !== '' || definition.resource !== 'pods') return false
  return (operation === 'CREATE' && subresource === '') || (operation === 'UPDATE' && subresource === 'resize')
}

function isClaim({ definition, operation, subresource }: Subject): boolean {
  if (definition.group !== '' || definition.resource !== 'persistentvolumeclaims') return false
  return operation !== 'DELETE' && subresource === ''
}

/**
 * Gives new pods the requests and limits that the LimitRanges of their namespace have for those that say nothing, and
 * holds pods and claims on volumes to what is allowed (Kubernetes' LimitRanger).
 */
export function createLimitRanger(cacheOf: (definition: ResourceDefinition) => ResourceCache): AdmissionPlugin {
  const rangesOf = (namespace: string | undefined): readonly LimitRange[] => {
    const cache = cacheOf(LIMIT_RANGE)
    if (cache.size === 0) return []
    return [...cache.range(storageKey(LIMIT_RANGE, namespace ?? '', ''))].map(({ object }) => object as LimitRange)
  }
  return {
    name: 'LimitRanger',
    async admit(request) {
      if (request.operation !== 'CREATE' || !isPod(request)) return undefined
      applyLimitDefaults(rangesOf(request.namespace), request.object as Draft<Pod>)
      return undefined
    },
    async review(request) {
      if (request.definition === LIMIT_RANGE && request.subresource === '') {
        return { companions: announceInNamespace(cacheOf, request.namespace ?? ''), settle() {} }
      }
      const pod = isPod(request)
      if (!pod && !isClaim(request)) return undefined
      const subject = pod ? { pod: request.object as Pod } : { claim: request.object as PersistentVolumeClaim }
      for (const range of rangesOf(request.namespace)) {
        const why = checkLimits(range, subject)
        if (why !== undefined) throw forbiddenByAdmission(request, why)
      }
      return undefined
    },
  }
}

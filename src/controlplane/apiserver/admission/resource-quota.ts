import type { ResourceDefinition } from '../../../api/definition.ts'
import { RESOURCE_QUOTA } from '../../../api/definitions/resource-quota/definition.ts'
import type { Draft, KubeObject } from '../../../api/object.ts'
import { QuantityError } from '../../../api/quantity.ts'
import type { ResourceQuota } from '../../../api/types/core-v1.gen.ts'
import { chargeQuotas } from '../../quota/charge-quotas.ts'
import { evaluatorOf } from '../../quota/evaluators.ts'
import { countedTypes, isCountable, UsageCounter } from '../../quota/usage-counter.ts'
import type { AdmissionEffect, AdmissionPlugin, AdmissionRequest, Companion } from '../admission.ts'
import type { CachedObject } from '../cache/cached-object.ts'
import type { ResourceCache } from '../cache/resource-cache.ts'
import type { CoreRequest } from '../core-request.ts'
import { storageKey } from '../request-info.ts'
import { announceInNamespace } from './announce-in-namespace.ts'
import { forbiddenByAdmission } from './forbidden-by-admission.ts'

export interface ResourceQuotaOptions {
  /** Everything that quotas may count. */
  readonly definitions: readonly ResourceDefinition[]
  readonly cacheOf: (definition: ResourceDefinition) => ResourceCache
  readonly nowMs: () => number
}

export interface ResourceQuotaPlugin extends AdmissionPlugin {
  /** The namespace whose quotas a request may use up; undefined when it uses none. */
  laneOf(request: CoreRequest): string | undefined
}

function effectOf(companions: readonly Companion[]): AdmissionEffect | undefined {
  return companions.length === 0 ? undefined : { companions, settle() {} }
}

function* objectsOf(stored: Iterable<CachedObject>): Generator<KubeObject> {
  for (const { object } of stored) yield object
}

const OPERATIONS: Readonly<Record<string, 'CREATE' | 'UPDATE'>> = {
  create: 'CREATE',
  update: 'UPDATE',
  patch: 'UPDATE',
}

/**
 * Holds namespaces to their quotas (Kubernetes' ResourceQuota). What a write adds is put into the quotas' status in the
 * very commit that stores the object: nothing is counted that was not stored, and nothing stored that was not counted,
 * whoever else writes and however many API servers there are.
 */
export function createResourceQuotas(options: ResourceQuotaOptions): ResourceQuotaPlugin {
  const { definitions, cacheOf, nowMs } = options
  const types = definitions.filter((definition) => isCountable(definition) && definition.storage === undefined)
  const quotasOf = (namespace: string): readonly CachedObject[] => {
    const cache = cacheOf(RESOURCE_QUOTA)
    return cache.size === 0 ? [] : [...cache.range(storageKey(RESOURCE_QUOTA, namespace, ''))]
  }

  /** A quota that is made counts from the start; what is stored at the same moment the controller adds. */
  const countNew = (quota: Draft<ResourceQuota>, namespace: string): void => {
    try {
      const counter = new UsageCounter(quota as ResourceQuota, nowMs())
      for (const definition of countedTypes(quota as ResourceQuota, types)) {
        const stored = cacheOf(definition).range(storageKey(definition, namespace, ''))
        counter.add(definition, objectsOf(stored))
      }
      quota.status = counter.count().status as Draft<ResourceQuota>['status']
    } catch (error) {
      // Validation says what is wrong with it.
      if (!(error instanceof QuantityError)) throw error
    }
  }

  return {
    name: 'ResourceQuota',
    async admit({ operation, definition, subresource, namespace, object }: AdmissionRequest) {
      if (operation === 'CREATE' && definition === RESOURCE_QUOTA && subresource === '' && namespace !== undefined)
        countNew(object as Draft<ResourceQuota>, namespace)
      return undefined
    },
    async review(request) {
      const { definition, operation, subresource, namespace, object, previous } = request
      if (namespace === undefined || !isCountable(definition)) return undefined
      const isNewQuota = operation === 'CREATE' && definition === RESOURCE_QUOTA && subresource === ''
      const announced = isNewQuota ? announceInNamespace(cacheOf, namespace) : []
      const stored = quotasOf(namespace)
      const evaluator = evaluatorOf(definition)
      if (stored.length === 0 || !evaluator.charges(operation, subresource)) return effectOf(announced)
      const quotas = stored.map((quota) => quota.object as ResourceQuota)
      const result = chargeQuotas(quotas, { evaluator, object, previous }, nowMs())
      if (result.kind === 'refused') throw forbiddenByAdmission(request, result.why)
      const charged = result.quotas.map((quota) => ({
        definition: RESOURCE_QUOTA,
        object: quota,
        stored: stored.find(({ object: { metadata } }) => metadata?.name === quota.metadata?.name)!,
      }))
      return effectOf([...announced, ...charged])
    },
    laneOf({ definition, info }) {
      const operation = OPERATIONS[info.verb]
      if (operation === undefined || !isCountable(definition)) return undefined
      if (!evaluatorOf(definition).charges(operation, info.subresource)) return undefined
      return quotasOf(info.namespace).length === 0 ? undefined : `quotas of ${info.namespace}`
    },
  }
}

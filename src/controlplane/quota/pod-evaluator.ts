import { isExtendedResource, isNativeResource } from '../../api/definitions/quota-resource-names.ts'
import { isPodTerminal } from '../../api/pod-readiness.ts'
import type { Quantity } from '../../api/quantity.ts'
import type { Container, Pod, PodSpec } from '../../api/types/core-v1.gen.ts'
import { type Amounts, parseAmounts, pieces } from './amounts.ts'
import type { QuotaEvaluator } from './evaluator.ts'
import { objectCountName } from './object-count.ts'
import { hasPodLevelResources, podResources } from './pod-resources.ts'
import { isPodInScope } from './pod-scopes.ts'

const TYPE = { group: '', resource: 'pods' }
const COUNT = objectCountName(TYPE)
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage']
const NAMES = new Set([COUNT, 'pods', ...COMPUTE, ...COMPUTE.flatMap((name) => [`requests.${name}`, `limits.${name}`])])
/** Who limits these must be told by every container how much it needs. */
const MUST_BE_GIVEN = ['cpu', 'limits.cpu', 'limits.memory', 'memory', 'requests.cpu', 'requests.memory']

/** What requests and limits come to under the names that quotas use. */
function computeUsage(requests: Amounts, limits: Amounts): Map<string, Quantity> {
  const usage = new Map<string, Quantity>([['pods', pieces(1)]])
  for (const [name, quantity] of requests) {
    if (COMPUTE.includes(name) || name.startsWith('hugepages-')) {
      usage.set(name, quantity)
      usage.set(`requests.${name}`, quantity)
    } else if (isExtendedResource(name)) usage.set(`requests.${name}`, quantity)
  }
  for (const [name, quantity] of limits) if (COMPUTE.includes(name)) usage.set(`limits.${name}`, quantity)
  return usage
}

const ENDED: Amounts = new Map([[COUNT, pieces(1)]])
/** Of pods as they are stored, which never change: most are counted again and again. */
const known = new WeakMap<Pod, Amounts>()

function fullUsage(pod: Pod): Amounts {
  const found = known.get(pod)
  if (found !== undefined) return found
  const spec: PodSpec = pod.spec ?? { containers: [] }
  const usage = computeUsage(podResources(spec, 'requests', true), podResources(spec, 'limits', true))
  usage.set(COUNT, pieces(1))
  if (Object.isFrozen(pod)) known.set(pod, usage)
  return usage
}

/** When a pod that is being deleted is counted no longer, wherever its node is; undefined for one that is not. */
function graceEndsAtMs({ metadata }: Pod): number | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata ?? {}
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return undefined
  return Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1_000
}

function needsNothing(pod: Pod, nowMs: number): boolean {
  const end = graceEndsAtMs(pod)
  return isPodTerminal(pod) || (end !== undefined && nowMs > end)
}

function missingOf(container: Container, names: readonly string[]): readonly string[] {
  const { requests, limits } = container.resources ?? {}
  const given = computeUsage(parseAmounts(requests), parseAmounts(limits))
  return names.filter((name) => !given.has(name))
}

/** Pods by number, and by what they ask for until they have ended. `count/pods` counts those that have ended, too. */
export const POD_EVALUATOR: QuotaEvaluator<Pod> = {
  ...TYPE,
  counts: (name) =>
    NAMES.has(name) ||
    name.startsWith('hugepages-') ||
    name.startsWith('requests.hugepages-') ||
    (name.startsWith('requests.') && !isNativeResource(name)),
  charges: (operation, subresource) =>
    (operation === 'CREATE' && subresource === '') || (operation === 'UPDATE' && subresource === 'resize'),
  usage: (pod, nowMs) => (needsNothing(pod, nowMs) ? ENDED : fullUsage(pod)),
  isIn: (scope, { spec }) => isPodInScope(spec ?? { containers: [] }, scope),
  missing(names, { spec }) {
    const wanted = MUST_BE_GIVEN.filter((name) => names.includes(name))
    if (spec === undefined || wanted.length === 0 || hasPodLevelResources(spec)) return undefined
    const missing = new Map<string, Set<string>>()
    for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])])
      for (const name of missingOf(container, wanted)) {
        const containers = missing.get(name) ?? new Set()
        missing.set(name, containers.add(container.name))
      }
    if (missing.size === 0) return undefined
    const parts = wanted
      .filter((name) => missing.has(name))
      .map((name) => `${name} for: ${[...missing.get(name)!].sort().join(',')}`)
    return `must specify ${parts.join('; ')}`
  },
  releasesAtMs: (pod) => (isPodTerminal(pod) ? undefined : graceEndsAtMs(pod)),
}

import { formatQuantity, type Quantity } from '../../api/quantity.ts'
import type { LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod, PodSpec } from '../../api/types/core-v1.gen.ts'
import { type Amounts, parseAmounts } from './amounts.ts'
import { podResources } from './pod-resources.ts'

const NOTHING: Amounts = new Map()

/** Whose amounts are compared, as they stand in messages: `minimum cpu usage per Container is …`. */
interface Asked {
  readonly type: string
  readonly requests: Amounts
  readonly limits: Amounts
}

function byName(amounts: LimitRangeItem['min']): readonly (readonly [string, Quantity])[] {
  return [...parseAmounts(amounts)].sort(([a], [b]) => (a < b ? -1 : 1))
}

function belowMin(name: string, min: Quantity, { type, requests, limits }: Asked): string | undefined {
  const text = `minimum ${name} usage per ${type} is ${formatQuantity(min)}`
  const [request, limit] = [requests.get(name), limits.get(name)]
  if (request === undefined) return `${text}.  No request is specified`
  if (request.nano < min.nano) return `${text}, but request is ${formatQuantity(request)}`
  return limit !== undefined && limit.nano < min.nano ? `${text}, but limit is ${formatQuantity(limit)}` : undefined
}

function aboveMax(name: string, max: Quantity, { type, requests, limits }: Asked): string | undefined {
  const text = `maximum ${name} usage per ${type} is ${formatQuantity(max)}`
  const [request, limit] = [requests.get(name), limits.get(name)]
  if (limit === undefined) return `${text}.  No limit is specified`
  if (limit.nano > max.nano) return `${text}, but limit is ${formatQuantity(limit)}`
  return request !== undefined && request.nano > max.nano
    ? `${text}, but request is ${formatQuantity(request)}`
    : undefined
}

/** Claims have no limits: what they request is what they get. */
function requestAboveMax(name: string, max: Quantity, { type, requests }: Asked): string | undefined {
  const text = `maximum ${name} usage per ${type} is ${formatQuantity(max)}`
  const request = requests.get(name)
  if (request === undefined) return `${text}.  No request is specified`
  return request.nano > max.nano ? `${text}, but request is ${formatQuantity(request)}` : undefined
}

function aboveRatio(name: string, most: Quantity, { type, requests, limits }: Asked): string | undefined {
  const text = `${name} max limit to request ratio per ${type} is ${formatQuantity(most)}`
  const [request, limit] = [requests.get(name), limits.get(name)]
  if (request === undefined || request.nano === 0n) return `${text}, but no request is specified or request is 0`
  if (limit === undefined || limit.nano === 0n) return `${text}, but no limit is specified or limit is 0`
  if (limit.nano * 1_000_000_000n <= most.nano * request.nano) return undefined
  return `${text}, but provided ratio is ${(Number(limit.nano) / Number(request.nano)).toFixed(6)}`
}

function findings(item: LimitRangeItem, asked: Asked): readonly string[] {
  const all = [
    ...byName(item.min).map(([name, min]) => belowMin(name, min, asked)),
    ...byName(item.max).map(([name, max]) => aboveMax(name, max, asked)),
    ...byName(item.maxLimitRequestRatio).map(([name, most]) => aboveRatio(name, most, asked)),
  ]
  return all.filter((text) => text !== undefined)
}

function podFindings(item: LimitRangeItem, spec: PodSpec): readonly string[] {
  const { type } = item
  if (type === 'Pod')
    return findings(item, {
      type,
      requests: podResources(spec, 'requests', false),
      limits: podResources(spec, 'limits', false),
    })
  if (type !== 'Container') return []
  return [...(spec.containers ?? []), ...(spec.initContainers ?? [])].flatMap(({ resources }) =>
    findings(item, { type, requests: parseAmounts(resources?.requests), limits: parseAmounts(resources?.limits) }),
  )
}

function claimFindings(item: LimitRangeItem, { spec }: PersistentVolumeClaim): readonly string[] {
  const { type } = item
  if (type !== 'PersistentVolumeClaim') return []
  const asked = { type, requests: parseAmounts(spec?.resources?.requests), limits: NOTHING }
  const all = [
    ...byName(item.min).map(([name, min]) => belowMin(name, min, asked)),
    ...byName(item.max).map(([name, max]) => requestAboveMax(name, max, asked)),
  ]
  return all.filter((text) => text !== undefined)
}

/** Why a LimitRange does not allow a pod or a claim on a volume; undefined when it does. */
export function checkLimits(
  { spec }: LimitRange,
  object: { readonly pod: Pod } | { readonly claim: PersistentVolumeClaim },
): string | undefined {
  const found = (spec?.limits ?? []).flatMap((item) =>
    'pod' in object ? podFindings(item, object.pod.spec ?? { containers: [] }) : claimFindings(item, object.claim),
  )
  const texts = [...new Set(found)]
  if (texts.length === 0) return undefined
  return texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
}

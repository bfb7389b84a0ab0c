import type { Draft } from '../../api/object.ts'
import { podQosClass } from '../../api/pod-requests.ts'
import type { Container, LimitRange, Pod, PodSpec } from '../../api/types/core-v1.gen.ts'
import type { AmountTexts } from './amounts.ts'

const ANNOTATION = 'kubernetes.io/limit-ranger'

/** Fills in what is missing; returns the names of that in order. */
function fill(amounts: Record<string, string>, defaults: AmountTexts): readonly string[] {
  const missing = Object.keys(defaults).filter((name) => !Object.hasOwn(amounts, name))
  for (const name of missing) amounts[name] = defaults[name]!
  return missing.sort()
}

function fillContainer(container: Draft<Container>, limits: AmountTexts, requests: AmountTexts): readonly string[] {
  const resources = container.resources ?? {}
  const told = (['requests', 'limits'] as const).flatMap((which) => {
    const amounts = resources[which] ?? {}
    const set = fill(amounts, which === 'limits' ? limits : requests)
    if (set.length === 0) return []
    resources[which] = amounts
    return [`${set.join(', ')} ${which.slice(0, -1)}`]
  })
  if (told.length > 0) container.resources = resources
  return told
}

/**
 * Gives the containers of a new pod the requests and limits that they leave out and a LimitRange has, and says so in an
 * annotation. Of several ranges the first has its way.
 */
export function applyLimitDefaults(ranges: readonly LimitRange[], pod: Draft<Pod>): void {
  const spec = pod.spec
  if (spec === undefined) return
  for (const { spec: range } of ranges) {
    const item = range?.limits.find(({ type }) => type === 'Container')
    if (item === undefined) continue
    const told: string[] = []
    const fillAll = (containers: readonly Draft<Container>[] | undefined, what: string): void => {
      for (const container of containers ?? [])
        for (const set of fillContainer(container, item.default ?? {}, item.defaultRequest ?? {}))
          told.push(`${set} for ${what} ${container.name}`)
    }
    fillAll(spec.containers, 'container')
    fillAll(spec.initContainers, 'init container')
    if (told.length === 0) continue
    pod.metadata ??= {}
    pod.metadata.annotations = {
      ...pod.metadata.annotations,
      [ANNOTATION]: `LimitRanger plugin set: ${told.join('; ')}`,
    }
    pod.status = { ...pod.status, qosClass: podQosClass(spec as PodSpec) }
  }
}

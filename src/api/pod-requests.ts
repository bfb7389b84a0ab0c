import { compareQuantities, parseQuantity, quantityToMilli, quantityToNumber } from './quantity.ts'
import type { Container, Pod, PodSpec } from './types/core-v1.gen.ts'

/** What a pod asks of a node: thousandths of a CPU, bytes, and whole units of everything else. */
export interface PodRequests {
  readonly cpuMilli: number
  readonly memoryBytes: number
  readonly others: Readonly<Record<string, number>>
}

type Amounts = Map<string, number>

function amount(resource: string, text: string): number {
  return resource === 'cpu' ? quantityToMilli(text) : quantityToNumber(text)
}

function requestsOf(container: Container): Amounts {
  return new Map(Object.entries(container.resources?.requests ?? {}).map(([name, text]) => [name, amount(name, text)]))
}

function add(into: Amounts, from: Amounts): void {
  for (const [name, value] of from) into.set(name, (into.get(name) ?? 0) + value)
}

function raise(into: Amounts, to: Amounts): void {
  for (const [name, value] of to) into.set(name, Math.max(into.get(name) ?? 0, value))
}

/**
 * The pod's effective requests: the sum of its containers and sidecars, or the most that any init container needs
 * beside the sidecars started before it, whichever is more; plus overhead (KEP-753).
 */
export function podRequests(pod: Pod): PodRequests {
  const { containers = [], initContainers = [], overhead = {}, resources } = (pod.spec ?? {}) as PodSpec
  const total: Amounts = new Map()
  for (const container of containers) add(total, requestsOf(container))
  const sidecars: Amounts = new Map()
  const peak: Amounts = new Map()
  for (const container of initContainers) {
    const own = requestsOf(container)
    if (container.restartPolicy === 'Always') {
      add(sidecars, own)
      raise(peak, sidecars)
    } else {
      const together = new Map(sidecars)
      add(together, own)
      raise(peak, together)
    }
  }
  add(total, sidecars)
  raise(total, peak)
  for (const [name, text] of Object.entries(resources?.requests ?? {})) total.set(name, amount(name, text))
  add(total, new Map(Object.entries(overhead).map(([name, text]) => [name, amount(name, text)])))
  const { cpu = 0, memory = 0, ...others } = Object.fromEntries(total)
  return { cpuMilli: cpu, memoryBytes: memory, others }
}

/**
 * Guaranteed, Burstable or BestEffort, as Kubernetes classes pods by their CPU and memory. Also for a pod that has not
 * been validated yet and may have no containers.
 */
export function podQosClass(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const all = [...(spec.initContainers ?? []), ...(spec.containers ?? [])]
  let any = false
  let guaranteed = true
  for (const { resources } of all) {
    for (const name of ['cpu', 'memory']) {
      const request = resources?.requests?.[name]
      const limit = resources?.limits?.[name]
      const isSet = (text: string | undefined): text is string => text !== undefined && parseQuantity(text).nano > 0n
      if (isSet(request) || isSet(limit)) any = true
      if (!isSet(limit) || (isSet(request) && compareQuantities(request, limit) !== 0)) guaranteed = false
    }
  }
  return !any ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable'
}

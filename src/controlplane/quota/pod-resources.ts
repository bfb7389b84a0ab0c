import type { Quantity } from '../../api/quantity.ts'
import type { Container, PodSpec } from '../../api/types/core-v1.gen.ts'
import { type Amounts, addOnto, parseAmounts, raiseTo } from './amounts.ts'

/** What pods can say of themselves as a whole (KEP-2837). */
function isPodLevelResource(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')
}

/** True when a pod says as a whole how much it needs: its containers then need not. */
export function hasPodLevelResources({ resources }: PodSpec): boolean {
  const named = [...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})]
  return named.some(isPodLevelResource)
}

/**
 * Requests or limits of a whole pod in exact amounts: the sum of containers and sidecars, or the most that any init
 * container has beside the sidecars started before it, whichever is more (KEP-753); what the pod says as a whole takes
 * the place of that. Its sandbox's own need is added where `overhead` asks for it, to limits only where there are any.
 */
export function podResources(spec: PodSpec, which: 'requests' | 'limits', overhead: boolean): Map<string, Quantity> {
  const of = (container: Container): Amounts => parseAmounts(container.resources?.[which])
  const total = new Map<string, Quantity>()
  for (const container of spec.containers ?? []) addOnto(total, of(container))
  const sidecars = new Map<string, Quantity>()
  const peak = new Map<string, Quantity>()
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      addOnto(sidecars, of(container))
      raiseTo(peak, sidecars)
      continue
    }
    const together = new Map(sidecars)
    addOnto(together, of(container))
    raiseTo(peak, together)
  }
  addOnto(total, sidecars)
  raiseTo(total, peak)
  for (const [name, quantity] of parseAmounts(spec.resources?.[which]))
    if (isPodLevelResource(name)) total.set(name, quantity)
  if (!overhead) return total
  const own = parseAmounts(spec.overhead)
  addOnto(total, which === 'requests' ? own : new Map([...own].filter(([name]) => (total.get(name)?.nano ?? 0n) > 0n)))
  return total
}

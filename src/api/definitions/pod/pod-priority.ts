import type { Draft } from '../../object.ts'
import type { PodSpec } from '../../types/core-v1.gen.ts'

/** The priority classes that every cluster has. */
const SYSTEM_CLASSES: ReadonlyMap<string, number> = new Map([
  ['system-node-critical', 2_000_001_000],
  ['system-cluster-critical', 2_000_000_000],
])

/** Turns the name of a system class into its number; every other pod has the priority it states, or 0. */
export function setPodPriority(spec: Draft<PodSpec>): void {
  spec.priority = SYSTEM_CLASSES.get(spec.priorityClassName ?? '') ?? spec.priority ?? 0
  if (!spec.preemptionPolicy) spec.preemptionPolicy = 'PreemptLowerPriority'
}

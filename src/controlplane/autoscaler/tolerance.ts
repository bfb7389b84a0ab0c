import { parseQuantity } from '../../api/quantity.ts'
import type { HorizontalPodAutoscalerBehavior } from '../../api/types/autoscaling-v2.gen.ts'

/** How far a ratio of measured to wanted may be from 1 without anything being done about it. */
export interface Tolerance {
  readonly up: number
  readonly down: number
}

/** A tenth, as kube-controller-manager has it. */
const DEFAULT = 0.1

function asNumber(quantity: string | undefined): number {
  return quantity === undefined ? DEFAULT : Number(parseQuantity(quantity).nano) / 1e9
}

export function toleranceOf(behavior: HorizontalPodAutoscalerBehavior | undefined): Tolerance {
  return { up: asNumber(behavior?.scaleUp?.tolerance), down: asNumber(behavior?.scaleDown?.tolerance) }
}

export function isWithin({ up, down }: Tolerance, ratio: number): boolean {
  return 1 - down <= ratio && ratio <= 1 + up
}

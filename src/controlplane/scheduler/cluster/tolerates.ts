import type { Taint, Toleration } from '../../../api/types/core-v1.gen.ts'

function integer(text: string): bigint | undefined {
  return /^-?(0|[1-9]\d*)$/.test(text) ? BigInt(text) : undefined
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false
  const { key = '', operator = 'Equal', value = '' } = toleration
  if (key !== '' && key !== taint.key) return false
  switch (operator) {
    case 'Exists':
      return true
    case '':
    case 'Equal':
      return value === (taint.value ?? '')
    case 'Lt':
    case 'Gt': {
      const [has, bound] = [integer(taint.value ?? ''), integer(value)]
      if (has === undefined || bound === undefined) return false
      return operator === 'Lt' ? has < bound : has > bound
    }
    default:
      return false
  }
}

/** Whether the pod may go where this taint is. */
export function isTolerated(taint: Taint, tolerations: readonly Toleration[]): boolean {
  return tolerations.some((toleration) => tolerates(toleration, taint))
}

/** Whether every taint that keeps pods away is tolerated; those that only ask not to be chosen keep nobody away. */
export function toleratesAll(taints: readonly Taint[], tolerations: readonly Toleration[]): boolean {
  for (const taint of taints) {
    if (taint.effect !== 'NoSchedule' && taint.effect !== 'NoExecute') continue
    if (!isTolerated(taint, tolerations)) return false
  }
  return true
}

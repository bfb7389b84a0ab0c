import { CLAIM_EVALUATOR } from './claim-evaluator.ts'
import type { QuotaEvaluator } from './evaluator.ts'
import { objectCountEvaluator } from './object-count.ts'
import { POD_EVALUATOR } from './pod-evaluator.ts'
import { SERVICE_EVALUATOR } from './service-evaluator.ts'

const SPECIAL = new Map<string, QuotaEvaluator>(
  [POD_EVALUATOR, SERVICE_EVALUATOR, CLAIM_EVALUATOR].map((evaluator) => [
    `${evaluator.group}/${evaluator.resource}`,
    evaluator as QuotaEvaluator,
  ]),
)
const known = new Map(SPECIAL)

/** How objects of a kind are counted; kinds that use nothing but their number are all counted alike. */
export function evaluatorOf(type: { readonly group: string; readonly resource: string }): QuotaEvaluator {
  const key = `${type.group}/${type.resource}`
  let evaluator = known.get(key)
  if (evaluator === undefined) {
    evaluator = objectCountEvaluator(type)
    known.set(key, evaluator)
  }
  return evaluator
}

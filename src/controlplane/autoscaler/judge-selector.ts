import { type LabelMatcher, LabelSelectorError, parseLabelSelector } from '../../api/label-selector.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { SelectorProblem } from './plan-autoscaling.ts'

/** Another autoscaler of the namespace, by what its target selects. */
export interface OtherSelector {
  readonly name: string
  readonly namespace: string
  readonly matcher: LabelMatcher
}

/** As many are named when pods belong to several. */
const NAMED_MAX = 2

/** Reads a target's selector; the problem when there is none or it makes no sense. */
export function readSelector(text: string): LabelMatcher | SelectorProblem {
  if (text === '')
    return {
      event: { reason: 'SelectorRequired', message: 'selector is required' },
      reason: 'InvalidSelector',
      message: "the HPA target's scale is missing a selector",
    }
  try {
    return parseLabelSelector(text)
  } catch (error) {
    if (!(error instanceof LabelSelectorError)) throw error
    const message = `couldn't convert selector into a corresponding internal selector object: ${error.message}`
    return { event: { reason: 'InvalidSelector', message }, reason: 'InvalidSelector', message }
  }
}

/** Two autoscalers over the same pods would undo each other's work: the problem, when one of the others has a say here. */
export function findRivals(
  own: { readonly name: string; readonly namespace: string; readonly selector: string },
  pods: readonly Pod[],
  others: readonly OtherSelector[],
): SelectorProblem | undefined {
  const rivals = others.filter(({ matcher }) => pods.some(({ metadata }) => matcher.matches(metadata?.labels)))
  if (rivals.length === 0) return undefined
  const named = [{ name: own.name, namespace: own.namespace }, ...rivals].slice(0, NAMED_MAX)
  const names = named.map(({ name, namespace }) => `{${name} ${namespace}}`).join(' ')
  const message = `pods by selector ${own.selector} are controlled by more than one HPA (e.g. [${names}])`
  return { event: { reason: 'AmbiguousSelector', message }, reason: 'AmbiguousSelector', message }
}

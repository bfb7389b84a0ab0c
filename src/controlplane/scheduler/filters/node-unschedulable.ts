import { isTolerated } from '../cluster/tolerates.ts'
import { type Filter, refusal } from './filter.ts'

const REFUSED = refusal('node(s) were unschedulable', false)
const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const

/** Cordoned nodes take no pods but those that tolerate it. */
export const nodeUnschedulable: Filter = {
  name: 'NodeUnschedulable',
  prepare({ tolerations }) {
    if (isTolerated(TAINT, tolerations)) return undefined
    return (node) => (node.unschedulable ? REFUSED : undefined)
  },
  hints: {
    nodeChanged: ({ node, previous }) =>
      !node.unschedulable && (previous === undefined || previous.spec?.unschedulable === true),
  },
}

import { toleratesAll } from '../cluster/tolerates.ts'
import { type Filter, refusal } from './filter.ts'

/** Since Kubernetes 1.35 the taints are not named: not everybody who may read a pod may read nodes. */
const REFUSED = refusal('node(s) had untolerated taint(s)', false)

/** Taints NoSchedule and NoExecute keep pods away that do not tolerate them. */
export const taintToleration: Filter = {
  name: 'TaintToleration',
  prepare({ tolerations }) {
    return (node) => (!node.hasTaints || toleratesAll(node.taints, tolerations) ? undefined : REFUSED)
  },
  hints: {
    nodeChanged: ({ node, previous }, { tolerations }) =>
      toleratesAll(node.taints, tolerations) &&
      (previous === undefined || !toleratesAll(previous.spec?.taints ?? [], tolerations)),
  },
}

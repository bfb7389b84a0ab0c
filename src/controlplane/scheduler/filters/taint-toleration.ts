import { toleratesAll } from '../cluster/tolerates.ts'
import { type Filter, refusal } from './filter.ts'

const REFUSED = refusal('node(s) had untolerated taint(s)', false)

/** Taints NoSchedule and NoExecute keep pods away that do not tolerate them. */
export const taintToleration: Filter = {
  name: 'TaintToleration',
  prepare({ tolerations }) {
    return (node) => (node.taints.length === 0 || toleratesAll(node.taints, tolerations) ? undefined : REFUSED)
  },
  helps: (event, { tolerations }) => event.kind === 'nodeChanged' && toleratesAll(event.node.taints, tolerations),
}

import { type Filter, refusal } from './filter.ts'

const REFUSED = refusal("node(s) didn't match Pod's node affinity/selector", false)

/** `nodeSelector` and required node affinity. */
export const nodeAffinity: Filter = {
  name: 'NodeAffinity',
  prepare({ nodeMatch }) {
    return nodeMatch === undefined ? undefined : (node) => (nodeMatch(node.name, node.labels) ? undefined : REFUSED)
  },
  helps: (event, { nodeMatch }) =>
    event.kind === 'nodeChanged' && nodeMatch?.(event.node.name, event.node.labels) === true,
}

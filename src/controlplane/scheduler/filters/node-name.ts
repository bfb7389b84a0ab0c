import { type Filter, refusal } from './filter.ts'

const REFUSED = refusal("node(s) didn't match the requested node name", false)

/** A pod that names its node goes there or nowhere. Pods of the API that do are on it already and never asked about. */
export const nodeName: Filter = {
  name: 'NodeName',
  prepare({ pod }) {
    const wanted = pod.spec?.nodeName ?? ''
    return wanted === '' ? undefined : (node) => (node.name === wanted ? undefined : REFUSED)
  },
  hints: {
    nodeChanged: ({ node, previous }, { pod }) => previous === undefined && node.name === pod.spec?.nodeName,
  },
}

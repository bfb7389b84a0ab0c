import type { HostPort } from '../cluster/pod-info.ts'
import { type Filter, refusal } from './filter.ts'

const REFUSED = refusal("node(s) didn't have free ports for the requested pod ports", true)
const ANY_ADDRESS = '0.0.0.0'

function collide(a: HostPort, b: HostPort): boolean {
  return (
    a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === ANY_ADDRESS || b.ip === ANY_ADDRESS)
  )
}

/** Ports of the host, of which each address has one of a kind. */
export const nodePorts: Filter = {
  name: 'NodePorts',
  prepare({ hostPorts }) {
    if (hostPorts.length === 0) return undefined
    return (node) => (hostPorts.some((port) => node.isPortTaken(port)) ? REFUSED : undefined)
  },
  hints: {
    nodeChanged: ({ previous }) => previous === undefined,
    podRemoved: ({ pod }, { hostPorts }) =>
      pod.hostPorts.some((freed) => hostPorts.some((wanted) => collide(freed, wanted))),
  },
}

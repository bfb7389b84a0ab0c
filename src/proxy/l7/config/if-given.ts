import type { ConfigNode } from './config-node.ts'

/** What `decode` makes of an entry that is there; undefined for one that is left out. */
export function ifGiven<T>(node: ConfigNode, decode: (node: ConfigNode) => T | undefined): T | undefined {
  return node.isAbsent ? undefined : decode(node)
}

import { labelOf } from './label-of.ts'
import type { NodeInfo } from './node-info.ts'
import { ZONE } from './spread-constraint.ts'

const REGION = 'topology.kubernetes.io/region'

/** Region and zone as one text; nodes without either share one. */
export function zoneOf(labels: Readonly<Record<string, string>>): string {
  return `${labelOf(labels, REGION) ?? ''}\0${labelOf(labels, ZONE) ?? ''}`
}

/** One node of each zone, then the second of each, and so on. */
export function interleaveZones(nodes: readonly NodeInfo[]): readonly NodeInfo[] {
  const zones = Map.groupBy(nodes, ({ labels }) => zoneOf(labels))
  if (zones.size < 2) return nodes
  const ordered: NodeInfo[] = []
  for (let i = 0; ordered.length < nodes.length; i++) {
    for (const zone of zones.values()) if (i < zone.length) ordered.push(zone[i]!)
  }
  return ordered
}

/** Groups in the order in which Kubernetes lists them; clients prefer the earlier one when a resource is in two. */
const ORDER = [
  '',
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'resource.k8s.io',
  'gateway.networking.k8s.io',
  'metrics.k8s.io',
]

/** For sorting: known groups in Kubernetes' order, others behind them by name. */
export function compareGroups(a: string, b: string): number {
  const [placeA, placeB] = [a, b].map((group) => (ORDER.includes(group) ? ORDER.indexOf(group) : ORDER.length))
  return placeA! - placeB! || (a < b ? -1 : a > b ? 1 : 0)
}

const STAGES = { alpha: 0, beta: 1 } as const

function rankOf(version: string): readonly [number, number, number] | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
  if (match === null) return undefined
  const stage = match[2] as keyof typeof STAGES | undefined
  return [stage === undefined ? 2 : STAGES[stage], Number(match[1]), Number(match[3] ?? 0)]
}

/** For sorting, the preferred version first: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name. */
export function compareVersions(a: string, b: string): number {
  const [rankA, rankB] = [rankOf(a), rankOf(b)]
  if (rankA === undefined || rankB === undefined) {
    if (rankA !== undefined) return -1
    if (rankB !== undefined) return 1
    return a < b ? -1 : a > b ? 1 : 0
  }
  return rankB[0] - rankA[0] || rankB[1] - rankA[1] || rankB[2] - rankA[2]
}

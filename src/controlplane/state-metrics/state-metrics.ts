import type { KubeObject } from '../../api/object.ts'
import type { ResourceType } from '../../api/resource-type.ts'
import { AUTOSCALER_STATE, DISRUPTION_BUDGET_STATE } from './autoscaler-families.ts'
import {
  CONFIG_MAP_STATE,
  LEASE_STATE,
  LIMIT_RANGE_STATE,
  NAMESPACE_STATE,
  RESOURCE_QUOTA_STATE,
  SECRET_STATE,
} from './namespaced-families.ts'
import { NODE_STATE } from './node-families.ts'
import { POD_STATE } from './pod-families.ts'
import { ENDPOINT_SLICE_STATE, SERVICE_STATE } from './service-families.ts'
import type { StateKind } from './state-family.ts'
import { statePieces } from './state-pieces.ts'
import { DEPLOYMENT_STATE, REPLICA_SET_STATE } from './workload-families.ts'

export const STATE_KINDS = [
  NAMESPACE_STATE,
  NODE_STATE,
  POD_STATE,
  DEPLOYMENT_STATE,
  REPLICA_SET_STATE,
  SERVICE_STATE,
  ENDPOINT_SLICE_STATE,
  AUTOSCALER_STATE,
  DISRUPTION_BUDGET_STATE,
  CONFIG_MAP_STATE,
  SECRET_STATE,
  LEASE_STATE,
  RESOURCE_QUOTA_STATE,
  LIMIT_RANGE_STATE,
] as readonly StateKind[]

/** What `/metrics/state` answers: kube-state-metrics' most used series of what the cache of the API server holds. */
export async function* stateMetrics(
  list: (type: ResourceType) => readonly KubeObject[],
  nowMs: () => number,
): AsyncGenerator<Uint8Array> {
  const rest = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  for await (const piece of statePieces(STATE_KINDS, ({ type }) => list(type), { nowMs, rest }))
    yield Buffer.from(piece)
}

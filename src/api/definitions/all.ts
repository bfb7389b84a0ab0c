import type { ResourceDefinition } from '../definition.ts'
import { CONFIG_MAP } from './config-map.ts'
import { DEPLOYMENT } from './deployment/definition.ts'
import { ENDPOINT_SLICE } from './endpoint-slice/definition.ts'
import { ENDPOINTS_DEFINITION } from './endpoints.ts'
import { CORE_EVENT } from './event/core-definition.ts'
import { EVENT } from './event/definition.ts'
import { HORIZONTAL_POD_AUTOSCALER } from './horizontal-pod-autoscaler/definition.ts'
import { HORIZONTAL_POD_AUTOSCALER_V1 } from './horizontal-pod-autoscaler/v1-definition.ts'
import { LEASE } from './lease.ts'
import { LIMIT_RANGE } from './limit-range/definition.ts'
import { NAMESPACE } from './namespace.ts'
import { NODE } from './node/definition.ts'
import { POD } from './pod/definition.ts'
import { POD_DISRUPTION_BUDGET } from './pod-disruption-budget.ts'
import { REPLICA_SET } from './replica-set.ts'
import { RESOURCE_QUOTA } from './resource-quota/definition.ts'
import { SECRET } from './secret/definition.ts'
import { SERVICE } from './service/definition.ts'
import { SERVICE_ACCOUNT } from './service-account.ts'

/** Every resource there is without a CustomResourceDefinition. */
export const DEFINITIONS = [
  CONFIG_MAP,
  ENDPOINTS_DEFINITION,
  CORE_EVENT,
  LIMIT_RANGE,
  NAMESPACE,
  NODE,
  POD,
  RESOURCE_QUOTA,
  SECRET,
  SERVICE,
  SERVICE_ACCOUNT,
  DEPLOYMENT,
  REPLICA_SET,
  HORIZONTAL_POD_AUTOSCALER,
  HORIZONTAL_POD_AUTOSCALER_V1,
  LEASE,
  ENDPOINT_SLICE,
  EVENT,
  POD_DISRUPTION_BUDGET,
] as readonly ResourceDefinition[]

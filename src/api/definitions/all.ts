import type { ResourceDefinition } from '../definition.ts'
import { CONFIG_MAP } from './config-map.ts'
import { CORE_EVENT } from './event/core-definition.ts'
import { EVENT } from './event/definition.ts'
import { LEASE } from './lease.ts'
import { NAMESPACE } from './namespace.ts'
import { NODE } from './node/definition.ts'
import { SECRET } from './secret/definition.ts'
import { SERVICE } from './service/definition.ts'
import { SERVICE_ACCOUNT } from './service-account.ts'

/** Every resource there is without a CustomResourceDefinition. */
export const DEFINITIONS = [
  CONFIG_MAP,
  NAMESPACE,
  NODE,
  SECRET,
  SERVICE,
  SERVICE_ACCOUNT,
  CORE_EVENT,
  EVENT,
  LEASE,
] as readonly ResourceDefinition[]

import { DEFINITIONS } from '../../api/definitions/all.ts'
import type { ResourceType } from '../../api/resource-type.ts'
import type { Millis } from '../../base/clock.ts'
import type { ControllerContext, RunningController } from './controller-context.ts'
import { startDeploymentController } from './deployment/deployment-controller.ts'
import { startDisruptionController } from './disruption/disruption-controller.ts'
import { startEndpointSliceController } from './endpoints/endpoint-slice-controller.ts'
import { startEndpointsController } from './endpoints/endpoints-controller.ts'
import { startEndpointSliceMirroringController } from './endpoints/mirroring-controller.ts'
import { startGarbageCollector } from './garbage-collector/garbage-collector.ts'
import { startNamespaceController } from './namespace/namespace-controller.ts'
import { startRootCaController } from './namespace-defaults/root-ca-controller.ts'
import { startServiceAccountController } from './namespace-defaults/service-account-controller.ts'
import { startNodeLifecycleController } from './node-lifecycle/node-lifecycle-controller.ts'
import { startTaintEvictionController } from './node-lifecycle/taint-eviction-controller.ts'
import { startPodGcController } from './pod-gc/pod-gc-controller.ts'
import { startReplicaSetController } from './replica-set/replica-set-controller.ts'
import { startResourceQuotaController } from './resource-quota/resource-quota-controller.ts'

/** Periods in milliseconds, with Kubernetes' defaults. */
export interface ControllerTimings {
  /** Silence after which a node is Unknown: 40 s. */
  readonly nodeGraceMs?: Millis
  /** The same for a node that has never posted its status: 60 s. */
  readonly nodeStartupGraceMs?: Millis
  /** How often a pause of this process itself is looked for, and a lost node asks for its turn: 5 s. */
  readonly nodePeriodMs?: Millis
  /** How long a node must be missing before its pods are removed: 40 s. */
  readonly orphanQuarantineMs?: Millis
  /** How often such pods are looked for: 20 s. */
  readonly podGcPeriodMs?: Millis
}

export interface ControllersOptions extends Omit<ControllerContext, 'resourceTypes'> {
  /** What `kube-root-ca.crt` holds in each namespace. */
  readonly rootCaPem: string
  /** Which resources namespaces hold and the garbage collector follows; by default all that are defined. */
  readonly resourceTypes?: readonly ResourceType[]
  readonly timings?: ControllerTimings
}

/** All resources of which objects can be listed, watched and deleted, each once: not a second view of another's objects. */
function definedTypes(): readonly ResourceType[] {
  return DEFINITIONS.filter(
    ({ verbs, storage }) =>
      storage === undefined && ['list', 'watch', 'delete'].every((verb) => verbs.includes(verb as 'list')),
  ).map(({ group, version, resource, kind, namespaced }) => ({ group, version, resource, kind, namespaced }))
}

/** Starts all controllers; each begins to act once its copies are complete. */
export function startControllers(options: ControllersOptions): RunningController {
  const { rootCaPem, timings = {} } = options
  const context: ControllerContext = { ...options, resourceTypes: options.resourceTypes ?? definedTypes() }
  const controllers = [
    startDeploymentController(context),
    startReplicaSetController(context),
    startEndpointSliceController(context),
    startEndpointsController(context),
    startEndpointSliceMirroringController(context),
    startNamespaceController(context),
    startGarbageCollector(context),
    startServiceAccountController(context),
    startRootCaController(context, rootCaPem),
    startDisruptionController(context),
    startNodeLifecycleController(context, {
      graceMs: timings.nodeGraceMs ?? 40_000,
      startupGraceMs: timings.nodeStartupGraceMs ?? 60_000,
      periodMs: timings.nodePeriodMs ?? 5_000,
      rates: { normal: 0.1, reduced: 0.01 },
    }),
    startTaintEvictionController(context),
    startResourceQuotaController(context),
    startPodGcController(context, {
      quarantineMs: timings.orphanQuarantineMs ?? 40_000,
      terminatedMax: 12_500,
      periodMs: timings.podGcPeriodMs ?? 20_000,
    }),
  ]
  return {
    async close() {
      await Promise.all(controllers.map((controller) => controller.close()))
    },
  }
}

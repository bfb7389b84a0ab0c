import { DEFINITIONS } from '../api/definitions/all.ts'
import { LEASES } from '../api/resource-type.ts'
import type { Lease } from '../api/types/coordination-v1.gen.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from '../client/client.ts'
import { createClient } from '../client/create-client.ts'
import { type RunningElection, runLeaderElection } from '../client/leader-election.ts'
import type { ElectionTimings } from '../client/leader-election-plan.ts'
import type { ApiServer } from './apiserver/api-server.ts'
import { storageKey } from './apiserver/request-info.ts'
import { CONTROL_PLANE_USER } from './apiserver/user.ts'

const NAMESPACE = 'kube-system'

export interface ElectionOptions {
  /** This control plane among those that share its store; the same after a restart. */
  readonly identity: string
  readonly timings?: ElectionTimings
}

export interface ElectedOptions {
  readonly server: ApiServer
  /** The Lease's name, Kubernetes' own where it has one: `kube-scheduler`, `kube-controller-manager`. */
  readonly name: string
  readonly election: ElectionOptions
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  /** Starts the parts with a client whose writes are refused once another control plane leads. */
  readonly start: (client: Client) => { close(): Promise<void> }
}

/** Runs parts of which only one may act in a cluster, wherever its control planes are: while this one is elected. */
export function startElected(options: ElectedOptions): RunningElection {
  const { server, name, start, election, clock, random, logger } = options
  const definition = DEFINITIONS.find(({ group, resource }) => group === LEASES.group && resource === LEASES.resource)!
  const key = storageKey(definition, NAMESPACE, name)
  return runLeaderElection({
    // The Lease itself is written without a fence: that is what it is fenced by.
    client: createClient(server.transport(CONTROL_PLANE_USER)),
    namespace: NAMESPACE,
    name,
    ...election,
    clock,
    random,
    logger,
    lead: ({ revision, isHeld }) =>
      start(
        createClient(
          server.transport(CONTROL_PLANE_USER, { key, revision, isHeld: (lease) => isHeld(lease as Lease) }),
        ),
      ),
  })
}

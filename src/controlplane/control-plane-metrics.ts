import type { Clock } from '../base/clock.ts'
import type { MetricFamily } from '../base/metric-families.ts'
import type { RunningElection } from '../client/leader-election.ts'
import type { AuditLog } from './apiserver/edge/audit-log.ts'
import { QueueMetrics } from './controllers/queue-metrics.ts'
import { SchedulerMetrics } from './scheduler/scheduler-metrics.ts'
import { StoreMetrics } from './store/store-metrics.ts'

/** What the parts of a control plane count, for the `/metrics` of its API server. */
export class ControlPlaneMetrics {
  readonly store = new StoreMetrics()
  readonly queues = new QueueMetrics()
  readonly scheduler = new SchedulerMetrics()
  /** By the name of their Lease; none where a control plane is alone. */
  readonly #elections = new Map<string, RunningElection>()
  #audit: Pick<AuditLog, 'recorded' | 'dropped'> = { recorded: 0, dropped: 0 }
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Returns it, for who starts it. */
  follow(name: string, election: RunningElection): RunningElection {
    this.#elections.set(name, election)
    return election
  }

  /** Returns it, for who writes to it. */
  followAudit(audit: AuditLog): AuditLog {
    this.#audit = audit
    return audit
  }

  families(): readonly MetricFamily[] {
    return [
      ...this.store.families(),
      ...this.queues.families(this.#clock.monotonic()),
      ...this.scheduler.families(),
      {
        name: 'apiserver_audit_event_total',
        type: 'counter',
        help: 'Counter of audit events generated and sent to the audit backend.',
        samples: () => [{ value: this.#audit.recorded }],
      },
      {
        name: 'apiserver_audit_error_total',
        type: 'counter',
        help: 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
        samples: () => [{ labels: { plugin: 'log' }, value: this.#audit.dropped }],
      },
      {
        name: 'leader_election_master_status',
        type: 'gauge',
        help: 'Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.',
        samples: () =>
          Array.from(this.#elections, ([name, { isLeader }]) => ({ labels: { name }, value: Number(isLeader) })),
      },
    ]
  }
}

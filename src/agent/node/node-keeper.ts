import { findCondition } from '../../api/conditions.ts'
import { LEASES, NODES } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Lease } from '../../api/types/coordination-v1.gen.ts'
import type { ContainerImage, Node, NodeCondition, NodeStatus } from '../../api/types/core-v1.gen.ts'
import type { Clock, Millis, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import { architecture, machinePressure } from './machine.ts'
import { type NodeFacts, nodeConditions, nodeStatus } from './node-status.ts'

const LEASE_NAMESPACE = 'kube-node-lease'
const RENEW_MS = 10_000
const LEASE_SECONDS = 40
/** A status that did not change is told this often all the same. */
const REPORT_MS = 300_000
const RETRY_MS = 100
/** The kubelet's own bound. */
const IMAGES_MAX = 50
const NOT_READY = 'node.kubernetes.io/not-ready'
/** How long a start waits for the taint to go; without controllers it stays. */
const UNTAINTED_MS = 1_000
const UNTAINTED_POLL_MS = 10

export interface NodeKeeperOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  readonly events: EventRecorder
  readonly facts: NodeFacts
  readonly podCidr: string
  readonly labels: Readonly<Record<string, string>>
  /** Where the node's pods live: the file system whose space counts. */
  readonly directory: string
  /** Why the runtime can do nothing at the moment; undefined while it can. */
  problem?(): string | undefined
  /** What lies here, the largest first. */
  images?(): Promise<readonly ContainerImage[]>
}

function readiness(conditions: readonly NodeCondition[]): string | undefined {
  return findCondition(conditions, 'Ready')?.status
}

/** Keeps the node's object and lease in the API: there, true, and fresh. */
export class NodeKeeper {
  readonly #options: NodeKeeperOptions
  #reported: { readonly status: NodeStatus; readonly atMs: Millis } | undefined
  #lease: Lease | undefined
  #timer: Timer | undefined
  #closed = false

  constructor(options: NodeKeeperOptions) {
    this.#options = options
  }

  /** Registers the node and reports it ready; tries until the API takes it. */
  async start(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#report()
        await this.#renew()
        await this.#untainted()
        break
      } catch (error) {
        this.#options.logger.debug({ err: error }, 'the node could not be registered yet')
        await new Promise<void>((resolve) => this.#options.clock.setTimer(RETRY_MS, resolve))
      }
    }
    this.#next()
  }

  /** Waits a moment for the control plane to take a new node's not-ready taint off, so that its first pod fits at once. */
  async #untainted(): Promise<void> {
    const { client, clock, facts } = this.#options
    const until = clock.monotonic() + UNTAINTED_MS
    while (!this.#closed && clock.monotonic() < until) {
      const { spec } = await client.get(NODES, { name: facts.name })
      if (spec?.taints?.some(({ key }) => key === NOT_READY) !== true) return
      await new Promise<void>((resolve) => clock.setTimer(UNTAINTED_POLL_MS, resolve))
    }
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** Something that the node's conditions depend on has changed: they are told now rather than with the next lease. */
  check(): void {
    if (this.#closed || this.#reported === undefined) return
    this.#timer?.cancel()
    void this.#beat()
  }

  #next(): void {
    this.#timer?.cancel()
    if (!this.#closed) this.#timer = this.#options.clock.setTimer(RENEW_MS, () => void this.#beat())
  }

  async #beat(): Promise<void> {
    try {
      await this.#renew()
      await this.#report()
    } catch (error) {
      this.#lease = undefined
      if (isReason(error, 'NotFound')) this.#reported = undefined
      this.#options.logger.debug({ err: error }, 'the node could not be reported')
    }
    this.#next()
  }

  async #report(): Promise<void> {
    const { clock, client, facts, directory, events } = this.#options
    const now = clock.now()
    const pressure = machinePressure(directory)
    const problem = this.#options.problem?.()
    const before = this.#reported
    if (before === undefined) {
      const node = await this.#register()
      const conditions = nodeConditions(node.status?.conditions, pressure, now, problem)
      const status = nodeStatus(facts, conditions, await this.#images())
      await this.#patch(status)
      this.#reported = { status, atMs: now }
      events.event({ ...node, apiVersion: 'v1', kind: 'Node' }, 'Normal', 'Starting', 'Starting kubelet.')
      if (findCondition(node.status?.conditions, 'Ready')?.status !== readiness(conditions))
        this.#sayReadiness(node, conditions)
      return
    }
    // Somebody else may have spoken for this node while it was not heard of, or the object may be gone.
    const node = await client.get(NODES, { name: facts.name })
    const conditions = nodeConditions(node.status?.conditions, pressure, now, problem)
    const isSaid = findCondition(node.status?.conditions, 'Ready')?.status === readiness(conditions)
    const hasChanged = conditions.some((condition, i) => condition.status !== before.status.conditions?.[i]?.status)
    if (isSaid && !hasChanged && now - before.atMs < REPORT_MS) return
    const status = nodeStatus(facts, conditions, await this.#images())
    await this.#patch(status)
    this.#reported = { status, atMs: now }
    if (!isSaid) this.#sayReadiness(node, conditions)
  }

  #sayReadiness(node: Node, conditions: readonly NodeCondition[]): void {
    const { events, facts } = this.#options
    const reason = readiness(conditions) === 'True' ? 'NodeReady' : 'NodeNotReady'
    const message = `Node ${facts.name} status is now: ${reason}`
    events.event({ ...node, apiVersion: 'v1', kind: 'Node' }, 'Normal', reason, message)
  }

  /** What cannot be asked for now is told of another time. */
  async #images(): Promise<readonly ContainerImage[]> {
    if (this.#options.problem?.() !== undefined) return []
    const images = await this.#options.images?.().catch(() => [])
    return (images ?? []).slice(0, IMAGES_MAX)
  }

  /** The node's object, made when it is not there; labels and the pod range are put right. */
  async #register(): Promise<Node> {
    const { client, facts, podCidr } = this.#options
    const labels = {
      'kubernetes.io/hostname': facts.name,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': architecture(),
      ...this.#options.labels,
    }
    const spec = { podCIDR: podCidr, podCIDRs: [podCidr] }
    try {
      const node = await client.get(NODES, { name: facts.name })
      const hasAll = Object.entries(labels).every(([key, value]) => node.metadata?.labels?.[key] === value)
      if (hasAll && node.spec?.podCIDR === podCidr) return node
      return await client.patch(NODES, { name: facts.name }, { metadata: { labels }, spec })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      return await client.create(NODES, { metadata: { name: facts.name, labels }, spec })
    }
  }

  async #patch(status: NodeStatus): Promise<void> {
    const { client, facts } = this.#options
    // Addresses merge by type and images are replaced; both are always sent whole.
    await client.patch(NODES, { name: facts.name }, { status }, { subresource: 'status' })
  }

  async #renew(): Promise<void> {
    const { client, clock, facts } = this.#options
    const renewTime = `${new Date(clock.now()).toISOString().slice(0, -1)}000Z`
    const ref = { namespace: LEASE_NAMESPACE, name: facts.name }
    if (this.#lease !== undefined) {
      this.#lease = await client.patch(LEASES, ref, { spec: { renewTime } }, { type: 'application/merge-patch+json' })
      return
    }
    const spec = { holderIdentity: facts.name, leaseDurationSeconds: LEASE_SECONDS, renewTime }
    try {
      this.#lease = await client.patch(LEASES, ref, { spec }, { type: 'application/merge-patch+json' })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      this.#lease = await client.create(LEASES, { metadata: ref, spec })
    }
  }
}

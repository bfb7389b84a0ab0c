import { isConditionTrue } from '../../../api/conditions.ts'
import { isPodReady } from '../../../api/pod-readiness.ts'
import { LEASES, NODES, PODS } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { Node, Pod } from '../../../api/types/core-v1.gen.ts'
import type { Timer } from '../../../base/clock.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { OwnWrites } from '../own-writes.ts'
import { typed } from '../owner-references.ts'
import { sameValue } from '../same-value.ts'
import { isoSeconds } from '../timestamp.ts'
import { EvictionTurns } from './eviction-turns.ts'
import { NodeCensus } from './node-census.ts'
import { type Eviction, lacksEvictionTaint, readinessTaint, UNREACHABLE, wantedTaints } from './node-taints.ts'
import { type HealthConfig, type NodeHealth, noteSigns, planNodeHealth } from './plan-node-health.ts'
import { type EvictionRates, evictionRate, zoneOf } from './zone-state.ts'

export const PODS_ON_NODE = 'controllers/pods-on-node'
const LEASE_NAMESPACE = 'kube-node-lease'

export interface NodeLifecycleConfig extends HealthConfig {
  /** How often this process makes sure that it has not stood still itself, and a node asks again for its turn. */
  readonly periodMs: number
  readonly rates: EvictionRates
}

/** Notices nodes that fall silent: their conditions, taints, and the readiness of their pods follow. */
export function startNodeLifecycleController(
  context: ControllerContext,
  config: NodeLifecycleConfig,
): RunningController {
  const { client, clock } = context
  const events = context.events('node-controller')
  const nodes = context.informers.for(NODES)
  const leases = context.informers.for(LEASES)
  const pods = context.informers.for(PODS, {
    indexes: { [PODS_ON_NODE]: ({ spec }: Pod) => (spec?.nodeName ? [spec.nodeName] : []) },
  })
  const written = new OwnWrites(nodes)
  const healths = new Map<string, NodeHealth>()
  const wasReady = new Map<string, boolean>()
  const census = new NodeCensus()
  const turns = new EvictionTurns()
  let allLost = false
  let lastLook = clock.monotonic()
  let lookAtAll = (): void => undefined

  const tellNode = (node: Node, type: 'Normal' | 'Warning', reason: string, message: string): void =>
    events.event(typed(NODES, node), type, reason, message)

  const count = (node: Node): void =>
    census.set(node.metadata?.name ?? '', zoneOf(node), isConditionTrue(node.status?.conditions, 'Ready'))

  const forgiveAll = (): void => {
    for (const [name, health] of healths) healths.set(name, { ...health, aliveAt: clock.monotonic() })
  }

  /** When all nodes are lost at once, it is more likely the control plane that is: nobody is evicted then. */
  const noteLoss = (): void => {
    if (census.allLost === allLost) return
    allLost = census.allLost
    if (allLost) turns.withdrawAll()
    // The first nodes are back: the others get a whole grace period to follow before they count as lost.
    else forgiveAll()
    lookAtAll()
  }

  /** What becomes of the taints that evict this node's pods. */
  const evictionOf = (node: Node): Eviction => {
    const name = node.metadata?.name ?? ''
    if (readinessTaint(node) === undefined) turns.withdraw(name)
    else if (!allLost && lacksEvictionTaint(node)) {
      const zone = zoneOf(node)
      turns.ask(name, zone, evictionRate(census.zone(zone), allLost, config.rates), clock.monotonic())
    }
    return allLost ? 'lift' : turns.has(name) ? 'put' : 'keep'
  }

  /** Takes a lost node's pods out of Services by marking them not ready, since nobody there can. */
  const markPodsNotReady = async (node: Node): Promise<void> => {
    for (const pod of pods.byIndex(PODS_ON_NODE, node.metadata?.name ?? '')) {
      if (!isPodReady(pod)) continue
      const { namespace, name = '', uid, resourceVersion } = pod.metadata ?? {}
      const conditions = (pod.status?.conditions ?? []).map((condition) =>
        condition.type === 'Ready'
          ? { ...condition, status: 'False', lastTransitionTime: isoSeconds(clock.now()) }
          : condition,
      )
      events.event(typed(PODS, pod), 'Warning', 'NodeNotReady', 'Node is not ready')
      try {
        await client.patch(
          PODS,
          { namespace, name },
          { metadata: { uid, resourceVersion }, status: { conditions } },
          { type: 'application/merge-patch+json', subresource: 'status' },
        )
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
      }
    }
  }

  /** After a pause of this process itself nothing can be said of the nodes: each gets its whole grace period again. */
  const forgiveOwnPause = (): void => {
    const now = clock.monotonic()
    if (now - lastLook > 2 * config.periodMs) forgiveAll()
    lastLook = now
  }

  const checkHealth = async (node: Node): Promise<{ readonly node: Node; readonly recheckAt: number }> => {
    const name = node.metadata?.name ?? ''
    const time = { now: clock.now(), monotonic: clock.monotonic() }
    const plan = planNodeHealth(node, leases.get(LEASE_NAMESPACE, name), healths.get(name), config, time)
    healths.set(name, plan.health)
    if (plan.conditions === undefined) return { node, recheckAt: plan.recheckAt }
    const updated = await client.updateStatus(NODES, {
      ...node,
      status: { ...node.status, conditions: plan.conditions },
    })
    written.record(updated)
    return { node: updated, recheckAt: plan.recheckAt }
  }

  const noteReadiness = async (node: Node): Promise<void> => {
    const name = node.metadata?.name ?? ''
    const ready = isConditionTrue(node.status?.conditions, 'Ready')
    const before = wasReady.get(name)
    const turned = before === true && !ready
    if (turned) tellNode(node, 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`)
    // A silent node's pods are marked whenever one still claims to be ready; one that reports itself does that itself.
    if (turned || readinessTaint(node) === UNREACHABLE) await markPodsNotReady(node)
    wasReady.set(name, ready)
  }

  const reconcile = async (name: string): Promise<{ requeueAfterMs: number } | undefined> => {
    const known = written.get(undefined, name)
    forgiveOwnPause()
    if (known === undefined) return undefined
    const { node, recheckAt } = await checkHealth(known)
    count(node)
    noteLoss()
    await noteReadiness(node)
    const taints = wantedTaints(node, evictionOf(node), clock.now())
    if (!sameValue(taints, node.spec?.taints ?? [])) {
      const { uid, resourceVersion } = node.metadata ?? {}
      const patch = { metadata: { uid, resourceVersion }, spec: { taints: taints.length === 0 ? null : taints } }
      written.record(await client.patch(NODES, { name }, patch, { type: 'application/merge-patch+json' }))
    }
    const dueMs = recheckAt - clock.monotonic()
    const waitsForTurn = readinessTaint(node) !== undefined && !turns.has(name) && lacksEvictionTaint(node)
    return { requeueAfterMs: Math.max(1, waitsForTurn ? Math.min(dueMs, config.periodMs) : dueMs) }
  }

  let timer: Timer | undefined
  return runController({
    name: 'node-lifecycle',
    context,
    informers: [nodes, leases, pods],
    workers: 1,
    reconcile,
    subscribe(queue) {
      lookAtAll = () => {
        for (const node of nodes.list()) queue.add(node.metadata?.name ?? '')
      }
      const tick = (): void => {
        forgiveOwnPause()
        timer = clock.setTimer(config.periodMs, tick)
      }
      timer = clock.setTimer(config.periodMs, tick)
      for (const node of nodes.list()) count(node)
      return [
        () => timer?.cancel(),
        nodes.onChange(({ type, object: node }) => {
          const name = node.metadata?.name ?? ''
          if (type === 'deleted') {
            tellNode(node, 'Normal', 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`)
            census.delete(name)
            turns.withdraw(name)
            for (const memory of [healths, wasReady]) memory.delete(name)
            noteLoss()
          } else {
            if (type === 'added') {
              tellNode(node, 'Normal', 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`)
            }
            count(node)
          }
          queue.add(name)
        }),
        // Signs of life are timed when they come; a node is only looked at when it changes or its time is up.
        leases.onChange(({ type, object: lease }) => {
          const { namespace, name = '' } = lease.metadata ?? {}
          if (type === 'deleted' || namespace !== LEASE_NAMESPACE) return
          const node = nodes.get(undefined, name)
          if (node !== undefined) healths.set(name, noteSigns(node, lease, healths.get(name), clock.monotonic()))
        }),
        pods.onChange(({ type, object: pod }) => {
          const nodeName = pod.spec?.nodeName
          if (type === 'deleted' || !nodeName || !isPodReady(pod)) return
          const node = nodes.get(undefined, nodeName)
          if (node !== undefined && readinessTaint(node) !== undefined) queue.add(nodeName)
        }),
      ]
    },
  })
}

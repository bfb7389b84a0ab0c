import { objectKey, splitKey } from '../../api/object.ts'
import { SERVICES } from '../../api/resource-type.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import { formatIpv4, parseCidr, parseIpv4 } from '../../base/ipv4.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import type { InformerFactory } from '../../client/informer-factory.ts'
import { runWorkers } from '../../client/run-workers.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import { NumberPool } from './number-pool.ts'

export interface LoadBalancerControllerOptions {
  readonly client: Client
  readonly informers: InformerFactory
  readonly events: EventRecorder
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** `127.N.32.0/24` */
  readonly cidr: string
}

function wantsAddress(service: Service): boolean {
  const deleting = service.metadata?.deletionTimestamp !== undefined
  return service.spec?.type === 'LoadBalancer' && service.spec.loadBalancerClass === undefined && !deleting
}

/**
 * Gives each Service of type LoadBalancer an address from the pool and writes it into the Service's status; honours
 * `spec.loadBalancerIP`; takes the address back when the type changes or the Service goes.
 */
export function startLoadBalancerController(options: LoadBalancerControllerOptions): { close(): Promise<void> } {
  const { client, informers, events, clock, logger } = options
  const range = parseCidr(options.cidr)
  const pool = new NumberPool(range.first + 1, range.size - 2, 0, options.random)
  const services = informers.for(SERVICES)
  const queue = new WorkQueue(clock)

  const addressOf = (service: Service): number | undefined => {
    const ip = service.status?.loadBalancer?.ingress?.[0]?.ip
    const value = ip === undefined ? undefined : parseIpv4(ip)
    return value !== undefined && pool.contains(value) ? value : undefined
  }
  const releaseAll = (owner: string): void => {
    for (const [value, holder] of pool.held()) if (holder === owner) pool.release(value, owner)
  }

  const reconcile = async (key: string): Promise<undefined> => {
    const { namespace, name } = splitKey(key)
    const service = services.get(namespace, name)
    if (service === undefined || !wantsAddress(service)) {
      releaseAll(key)
      const stale =
        service !== undefined &&
        service.spec?.loadBalancerClass === undefined &&
        (service.status?.loadBalancer?.ingress ?? []).length > 0
      if (stale) await client.updateStatus(SERVICES, { ...service, status: { ...service.status, loadBalancer: {} } })
      return undefined
    }
    const current = addressOf(service)
    const asked = service.spec?.loadBalancerIP
    if (current !== undefined && pool.take(current, key) && (!asked || asked === formatIpv4(current))) return undefined
    const wanted = asked ? parseIpv4(asked) : undefined
    if (asked && (wanted === undefined || !pool.contains(wanted) || !pool.take(wanted, key))) {
      const why =
        wanted === undefined || !pool.contains(wanted)
          ? `it is not in the pool ${options.cidr}`
          : `${pool.ownerOf(wanted)} has it`
      events.event(
        { ...service, apiVersion: 'v1', kind: 'Service' },
        'Warning',
        'AllocationFailed',
        `Failed to allocate IP ${asked}: ${why}`,
      )
      return undefined
    }
    const value = wanted ?? pool.takeAny(key)
    if (value === undefined) {
      events.event(
        { ...service, apiVersion: 'v1', kind: 'Service' },
        'Warning',
        'AllocationFailed',
        `Failed to allocate IP: the pool ${options.cidr} is full`,
      )
      return undefined
    }
    if (current !== undefined && current !== value) pool.release(current, key)
    const ip = formatIpv4(value)
    await client.updateStatus(SERVICES, {
      ...service,
      status: { ...service.status, loadBalancer: { ingress: [{ ip, ipMode: 'VIP' }] } },
    })
    events.event({ ...service, apiVersion: 'v1', kind: 'Service' }, 'Normal', 'IPAllocated', `Assigned IP ["${ip}"]`)
    return undefined
  }

  let workers: { close(): Promise<void> } | undefined
  let closed = false
  const started = services.synced.then(() => {
    if (closed) return
    // First everything that is promised already, so that a new Service cannot get an old one's address.
    for (const service of services.list()) {
      const value = addressOf(service)
      if (value !== undefined && wantsAddress(service)) pool.take(value, objectKey(service))
    }
    services.onChange((change) => queue.add(objectKey(change.object)))
    workers = runWorkers({ name: 'load-balancer', queue, workers: 1, reconcile, logger })
  })
  return {
    async close() {
      closed = true
      await started
      await workers?.close()
    },
  }
}

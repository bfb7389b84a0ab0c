import { objectKey, splitKey } from '../../api/object.ts'
import { SERVICES } from '../../api/resource-type.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import { formatIpv4, parseCidr, parseIpv4 } from '../../base/ipv4.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import type { InformerFactory } from '../../client/informer-factory.ts'
import { type RunningController, runController } from '../controllers/controller-context.ts'
import { OwnWrites } from '../controllers/own-writes.ts'
import { typed } from '../controllers/owner-references.ts'
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

/** Services of a class are another controller's. */
function isOurs(service: Service): boolean {
  return service.spec?.loadBalancerClass === undefined
}

function wantsAddress(service: Service): boolean {
  const deleting = service.metadata?.deletionTimestamp !== undefined
  return service.spec?.type === 'LoadBalancer' && isOurs(service) && !deleting
}

function hasIngress({ status }: Service): boolean {
  return (status?.loadBalancer?.ingress ?? []).length > 0
}

function byAge(a: Service, b: Service): number {
  const [first, second] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? '']
  return first === second ? (objectKey(a) < objectKey(b) ? -1 : 1) : first < second ? -1 : 1
}

/**
 * Gives each Service of type LoadBalancer an address from the pool and writes it into the Service's status; honours
 * `spec.loadBalancerIP`; takes the address back when the type changes or the Service goes, and then looks again at those
 * that had to do without.
 */
export function startLoadBalancerController(options: LoadBalancerControllerOptions): RunningController {
  const { client, events } = options
  const range = parseCidr(options.cidr)
  const pool = new NumberPool(range.first + 1, range.size - 2, 0, options.random)
  const services = options.informers.for(SERVICES)
  const written = new OwnWrites(services)
  /** The address each Service has, also while the write that says so is under way. */
  const given = new Map<string, number>()
  /** Services that got none; they wait for another to give one back. */
  const waiting = new Set<string>()
  let wake: (key: string) => void = () => undefined

  const addressOf = (service: Service): number | undefined => {
    const ip = service.status?.loadBalancer?.ingress?.[0]?.ip
    const value = ip === undefined ? undefined : parseIpv4(ip)
    return value !== undefined && pool.contains(value) ? value : undefined
  }

  const giveBack = (owner: string, value: number): void => {
    if (pool.release(value, owner)) for (const key of waiting) wake(key)
  }

  /** The address this Service is to have, taken; or why it gets none. */
  const choose = (service: Service, owner: string): number | string => {
    const free = (value: number): boolean => {
      const holder = pool.ownerOf(value)
      return holder === owner || (holder === undefined && pool.take(value, owner))
    }
    const asked = service.spec?.loadBalancerIP
    if (asked) {
      const value = parseIpv4(asked)
      if (value === undefined || !pool.contains(value)) return `${asked} is not in the pool ${options.cidr}`
      return free(value) ? value : `${asked} is the address of ${pool.ownerOf(value)}`
    }
    const current = addressOf(service) ?? given.get(owner)
    if (current !== undefined && free(current)) return current
    return given.get(owner) ?? pool.takeAny(owner) ?? `the pool ${options.cidr} is full`
  }

  const writeStatus = async (service: Service, loadBalancer: NonNullable<Service['status']>['loadBalancer']) => {
    written.record(await client.updateStatus(SERVICES, { ...service, status: { ...service.status, loadBalancer } }))
  }

  const takeBack = async (key: string, service: Service | undefined): Promise<void> => {
    waiting.delete(key)
    const stale = service !== undefined && isOurs(service) && hasIngress(service)
    if (stale) {
      events.event(typed(SERVICES, service), 'Normal', 'DeletingLoadBalancer', 'Deleting load balancer')
      await writeStatus(service, {})
    }
    // Nobody else gets the address while a Service still shows it.
    const value = given.get(key)
    given.delete(key)
    if (value !== undefined) giveBack(key, value)
    if (stale) events.event(typed(SERVICES, service), 'Normal', 'DeletedLoadBalancer', 'Deleted load balancer')
  }

  const reconcile = async (key: string): Promise<undefined> => {
    const { namespace, name } = splitKey(key)
    const service = written.get(namespace, name)
    if (service === undefined || !wantsAddress(service)) {
      await takeBack(key, service)
      return
    }
    const about = typed(SERVICES, service)
    const before = given.get(key)
    const value = choose(service, key)
    if (typeof value === 'string') {
      waiting.add(key)
      const message = `Error syncing load balancer: failed to ensure load balancer: ${value}`
      events.event(about, 'Warning', 'SyncLoadBalancerFailed', message)
      return
    }
    waiting.delete(key)
    given.set(key, value)
    if (addressOf(service) !== value) {
      try {
        events.event(about, 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer')
        await writeStatus(service, { ingress: [{ ip: formatIpv4(value), ipMode: 'VIP' }] })
      } catch (error) {
        // The status still shows the one before, so both stay taken until a try succeeds.
        if (before !== undefined && before !== value) {
          giveBack(key, value)
          given.set(key, before)
        }
        throw error
      }
      events.event(about, 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer')
    }
    if (before !== undefined && before !== value) giveBack(key, before)
  }

  return runController({
    name: 'load-balancer',
    context: options,
    informers: [services],
    workers: 1,
    reconcile,
    subscribe(queue) {
      wake = (key) => queue.add(key)
      // First everything that is promised already, so that a new Service cannot get an old one's address.
      for (const service of [...services.list()].sort(byAge)) {
        const value = addressOf(service)
        const key = objectKey(service)
        if (value !== undefined && wantsAddress(service) && pool.take(value, key)) given.set(key, value)
      }
      return [services.onChange((change) => queue.add(objectKey(change.object)))]
    },
  })
}

import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../api/object.ts'
import { ENDPOINT_SLICES, ENDPOINTS, LEASES, type ResourceType, SERVICES } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Lease } from '../../api/types/coordination-v1.gen.ts'
import type { Endpoints } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import { type Clock, type Millis, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import { microTime } from '../../client/leader-election-plan.ts'
import {
  ADDRESS_ANNOTATION,
  type ApiAddress,
  endpointsSubsets,
  IDENTITY,
  IDENTITY_LABEL,
  kubernetesSlices,
  liveApiServers,
  observeLeases,
  type SeenLeases,
} from './api-servers-plan.ts'

const NAMESPACE = 'kube-system'
const RENEW_MS = 2_000
const LEASE_SECONDS = 8
const LABEL = { namespace: 'default', name: 'kubernetes' } as const

export interface PublishOptions extends ApiAddress {
  readonly client: Client
  /** This server among those of the cluster; the same after a restart. */
  readonly identity: string
  readonly clock: Clock
  readonly logger: Logger
  readonly renewMs?: Millis
  readonly leaseSeconds?: number
}

export interface PublishedApiServer {
  /** Every server that is alive, this one among them. */
  readonly servers: readonly ApiAddress[]
  /** Takes this server out of the endpoints; from then on no new client is sent here. */
  close(): Promise<void>
}

/**
 * Keeps this API server in the Endpoints and EndpointSlices of `default/kubernetes`, and those of servers that are gone
 * out of them. Each server renews a Lease of its own (as kube-apiserver's identity Leases are), and each one brings the
 * endpoints to what the Leases say, so that no server is needed for another one's end to be noticed. Resolves when this
 * server is in.
 */
export async function publishApiServer(options: PublishOptions): Promise<PublishedApiServer> {
  const publisher = new Publisher(options)
  await publisher.tick()
  void publisher.run()
  return publisher
}

class Publisher implements PublishedApiServer {
  readonly #options: PublishOptions
  readonly #leaseName: string
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #seen: SeenLeases = new Map()
  #lastGoodMs: Millis = Number.NEGATIVE_INFINITY
  #servers: readonly ApiAddress[]

  constructor(options: PublishOptions) {
    this.#options = options
    this.#leaseName = `apiserver-${createHash('sha256').update(options.identity).digest('hex').slice(0, 26)}`
    this.#servers = [{ address: options.address, port: options.port }]
  }

  get servers(): readonly ApiAddress[] {
    return this.#servers
  }

  async run(): Promise<void> {
    const { clock, logger, renewMs = RENEW_MS } = this.#options
    for (;;) {
      await sleep(clock, renewMs, this.#stop.signal)
      if (this.#stop.signal.aborted) return
      this.#running = this.tick().catch((error) => {
        logger.warn({ err: error }, 'the lease or the endpoints of this API server could not be written')
      })
      await this.#running
    }
  }

  /** Renews, looks at the others, writes what has changed. */
  async tick(): Promise<void> {
    await this.#renew()
    const { leases, live, dead } = await this.#look()
    this.#servers = live
    await this.#writeEndpoints(live)
    for (const name of dead) {
      this.#options.logger.info({ lease: name }, 'an API server is gone')
      await this.#deleteLease(leases.find(({ metadata }) => metadata?.name === name)!)
    }
  }

  async close(): Promise<void> {
    const { client, logger } = this.#options
    this.#stop.abort()
    await this.#running
    try {
      await this.#deleteLease(await client.get(LEASES, { namespace: NAMESPACE, name: this.#leaseName }))
      const { live } = await this.#look()
      // The last one leaves its address: whoever comes back finds the cluster where it was.
      if (live.length > 0) await this.#writeEndpoints(live)
    } catch (error) {
      logger.warn({ err: error }, 'this API server could not be taken out of the endpoints; others will do it')
    }
  }

  async #look(): Promise<ReturnType<typeof liveApiServers> & { readonly leases: readonly Lease[] }> {
    const { clock, client, leaseSeconds = LEASE_SECONDS } = this.#options
    const labelSelector = `${IDENTITY_LABEL}=${IDENTITY}`
    const { items: leases } = await client.list(LEASES, { namespace: NAMESPACE, labelSelector })
    const nowMs = clock.monotonic()
    // While this server could not write, the others may not have been able to either.
    const blind = nowMs - this.#lastGoodMs > (leaseSeconds * 1_000) / 2
    this.#lastGoodMs = nowMs
    this.#seen = observeLeases(leases, this.#seen, nowMs, blind)
    return { leases, ...liveApiServers(leases, this.#seen, nowMs) }
  }

  async #renew(): Promise<void> {
    const { client, clock, identity, address, port, leaseSeconds = LEASE_SECONDS } = this.#options
    const wanted = {
      namespace: NAMESPACE,
      name: this.#leaseName,
      labels: { [IDENTITY_LABEL]: IDENTITY },
      annotations: { [ADDRESS_ANNOTATION]: `${address}:${port}` },
    }
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: leaseSeconds,
      renewTime: microTime(clock.now()),
    }
    try {
      const found = await client.get(LEASES, { namespace: NAMESPACE, name: this.#leaseName })
      await client.update(LEASES, { ...found, metadata: { ...found.metadata, ...wanted }, spec })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      await client.create(LEASES, { metadata: wanted, spec })
    }
  }

  async #deleteLease({ metadata }: Lease): Promise<void> {
    const name = metadata?.name ?? ''
    const preconditions = { resourceVersion: metadata?.resourceVersion ?? '' }
    try {
      await this.#options.client.delete(LEASES, { namespace: NAMESPACE, name }, { preconditions })
    } catch (error) {
      // Renewed after all, or deleted by another server.
      if (!isReason(error, 'Conflict') && !isReason(error, 'NotFound')) throw error
    }
  }

  async #writeEndpoints(servers: readonly ApiAddress[]): Promise<void> {
    const { client } = this.#options
    const subsets = endpointsSubsets(servers)
    const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' }
    await this.#put<Endpoints>(ENDPOINTS, { metadata: { ...LABEL, labels }, subsets }, (found) =>
      isDeepStrictEqual(found.subsets, subsets),
    )
    const service = await client.get(SERVICES, LABEL)
    const slices = kubernetesSlices(servers, Number(service.spec?.ports?.[0]?.targetPort))
    for (const slice of slices)
      await this.#put<EndpointSlice>(
        ENDPOINT_SLICES,
        slice,
        (found) =>
          isDeepStrictEqual(found.ports, slice.ports) &&
          isDeepStrictEqual(
            found.endpoints?.map(({ addresses }) => addresses),
            slice.endpoints?.map(({ addresses }) => addresses),
          ),
      )
    const { items } = await client.list(ENDPOINT_SLICES, {
      namespace: LABEL.namespace,
      labelSelector: 'kubernetes.io/service-name=kubernetes',
    })
    const names = new Set(slices.map(({ metadata }) => metadata?.name))
    for (const { metadata } of items) {
      if (names.has(metadata?.name)) continue
      const ref = { namespace: LABEL.namespace, name: metadata?.name ?? '' }
      await client.delete(ENDPOINT_SLICES, ref).catch((error) => {
        if (!isReason(error, 'NotFound')) throw error
      })
    }
  }

  /** Creates or replaces; another server that does the same at the same time is no failure: the next tick looks again. */
  async #put<T extends KubeObject>(type: ResourceType<T>, wanted: T, agrees: (found: T) => boolean): Promise<void> {
    const { client } = this.#options
    const { namespace, name = '' } = wanted.metadata ?? {}
    try {
      const found = await client.get(type, { namespace, name })
      if (agrees(found)) return
      await client.update(type, {
        ...found,
        ...wanted,
        metadata: { ...found.metadata, labels: wanted.metadata?.labels },
      })
    } catch (error) {
      if (isReason(error, 'Conflict') || isReason(error, 'AlreadyExists')) return
      if (!isReason(error, 'NotFound')) throw error
      await client.create(type, wanted).catch((again) => {
        if (!isReason(again, 'AlreadyExists')) throw again
      })
    }
  }
}

import { PROXY_ADMIN_PORT_NAME, PROXY_SERVICE, PROXY_SLICE_PREFIX } from '../../api/proxy-endpoints.ts'
import { ENDPOINT_SLICES, NODES } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import { type Clock, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { Informer } from '../../client/informer.ts'

export interface AnnounceAdminOptions {
  readonly client: Client
  readonly slices: Informer<EndpointSlice>
  readonly clock: Clock
  readonly logger: Logger
  /** The proxy's own name among those of the cluster. */
  readonly name: string
  /** The node whose address the admin server listens on; with it the slice goes. */
  readonly nodeName: string
  readonly address: string
  readonly port: number
}

const RETRY_MS = 100
const RETRY_MS_MAX = 30_000
/** How long taking it back may take when the proxy stops. */
const FAREWELL_MS = 500

function sliceOf({ name, nodeName, address, port }: AnnounceAdminOptions, nodeUid: string): EndpointSlice {
  return {
    metadata: {
      namespace: PROXY_SERVICE.namespace,
      name: `${PROXY_SLICE_PREFIX}${name}`,
      labels: {
        'kubernetes.io/service-name': PROXY_SERVICE.name,
        'endpointslice.kubernetes.io/managed-by': PROXY_SERVICE.name,
      },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeUid }],
    },
    addressType: 'IPv4',
    endpoints: [
      { addresses: [address], conditions: { ready: true }, nodeName, targetRef: { kind: 'Node', name: nodeName } },
    ],
    ports: [{ name: PROXY_ADMIN_PORT_NAME, port, protocol: 'TCP', appProtocol: 'https' }],
  }
}

/** Whether all that is wanted stands in what was found; the server adds fields of its own. */
function agrees(found: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return found === wanted
  if (Array.isArray(wanted))
    return Array.isArray(found) && found.length === wanted.length && wanted.every((one, i) => agrees(found[i], one))
  return Object.entries(wanted).every(([key, value]) =>
    agrees((found as Record<string, unknown> | undefined)?.[key], value),
  )
}

/**
 * Keeps the proxy's EndpointSlice (src/api/proxy-endpoints.ts) as it must be, whoever changes or removes it, until
 * closed; tried again for as long as the API does not take it. A proxy that dies leaves it: that its target is down is
 * what a monitoring system is to see.
 */
export function announceAdmin(options: AnnounceAdminOptions): { close(): Promise<void> } {
  const { client, slices, clock, logger, name, nodeName } = options
  const ref = { namespace: PROXY_SERVICE.namespace, name: `${PROXY_SLICE_PREFIX}${name}` }
  const stop = new AbortController()
  let wake = new AbortController()
  const unfollow = slices.onChange(({ object: { metadata } }) => {
    if (metadata?.name === ref.name && metadata.namespace === ref.namespace) wake.abort()
  })

  const settle = async (): Promise<void> => {
    const node = await client.get(NODES, { name: nodeName })
    const wanted = sliceOf(options, node.metadata?.uid ?? '')
    if (agrees(slices.get(ref.namespace, ref.name), wanted)) return
    try {
      await client.patch(ENDPOINT_SLICES, ref, wanted, { type: 'application/merge-patch+json' })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      await client.create(ENDPOINT_SLICES, wanted)
    }
  }
  const run = async (): Promise<void> => {
    let retryMs = RETRY_MS
    while (!stop.signal.aborted) {
      // Before anything is read: what changes meanwhile must not be slept over.
      wake = new AbortController()
      try {
        await settle()
        retryMs = RETRY_MS
        await untilAborted(AbortSignal.any([wake.signal, stop.signal]))
      } catch (error) {
        if (retryMs === RETRY_MS_MAX)
          logger.warn({ err: error }, 'the address of the proxy’s metrics cannot be announced')
        await sleep(clock, retryMs, stop.signal)
        retryMs = Math.min(RETRY_MS_MAX, retryMs * 2)
      }
    }
  }
  const finished = run()
  return {
    async close() {
      unfollow()
      stop.abort()
      await finished
      const patience = new AbortController()
      const gone = client.delete(ENDPOINT_SLICES, ref).catch(() => undefined)
      await Promise.race([gone, sleep(clock, FAREWELL_MS, patience.signal)])
      patience.abort()
    },
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

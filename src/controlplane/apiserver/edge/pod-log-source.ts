import { Agent, request } from 'node:https'
import { StatusError } from '../../../api/status-error.ts'
import type { Node } from '../../../api/types/core-v1.gen.ts'

export interface PodLogResponse {
  readonly status: number
  readonly body: AsyncIterable<Uint8Array>
}

/** Fetches a container's log from the node API of the agent that runs it. `path` is `/containerLogs/…?…`. */
export type PodLogSource = (node: Node, path: string, signal: AbortSignal) => Promise<PodLogResponse>

/** `127.70.0.0/16` holds `address`? Both are IPv4 and the prefix is a whole number of octets. */
function withinOctets(address: string, cidr: string): boolean {
  const [base, bits] = cidr.split('/')
  const octets = base!.split('.').slice(0, Number(bits) / 8)
  return address.startsWith(`${octets.join('.')}.`)
}

/**
 * Logs over TLS with the API server's own client certificate. The address comes from the node's status, which its agent
 * writes, so it is dialled only when it lies in the cluster's range; redirects are not followed.
 */
export function createPodLogSource(options: {
  readonly clusterCidr: string
  readonly ca: string
  readonly cert: string
  readonly key: string
}): PodLogSource {
  const agent = new Agent({ ca: options.ca, cert: options.cert, key: options.key, keepAlive: true, maxSockets: 64 })
  return (node, path, signal) => {
    const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port
    if (address === undefined || port === undefined || !withinOctets(address, options.clusterCidr)) {
      throw new StatusError(
        'InternalError',
        `node "${node.metadata?.name ?? ''}" has no address that this API server may call`,
      )
    }
    return new Promise((resolve, reject) => {
      const call = request(
        { agent, host: address, port, path, method: 'GET', signal, servername: node.metadata?.name },
        (response) => {
          const status = response.statusCode ?? 502
          if (status >= 300 && status < 400) {
            response.destroy()
            return reject(
              new StatusError(
                'InternalError',
                'the node answered with a redirect, which is not followed',
                undefined,
                502,
              ),
            )
          }
          resolve({ status, body: response as AsyncIterable<Uint8Array> })
        },
      )
      call.on('error', (cause) =>
        reject(
          new StatusError('InternalError', `Get "https://${address}:${port}${path.split('?')[0]}": ${cause.message}`),
        ),
      )
      call.end()
    })
  }
}

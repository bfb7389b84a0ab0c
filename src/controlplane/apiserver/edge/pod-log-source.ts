import { Agent, request } from 'node:https'
import { StatusError } from '../../../api/status-error.ts'
import type { Node } from '../../../api/types/core-v1.gen.ts'
import { nodeEndpoint } from './node-endpoint.ts'

export interface PodLogResponse {
  readonly status: number
  readonly body: AsyncIterable<Uint8Array>
}

/** Fetches a container's log from the node API of the agent that runs it. `path` is `/containerLogs/…?…`. */
export type PodLogSource = (node: Node, path: string, signal: AbortSignal) => Promise<PodLogResponse>

/**
 * Logs over TLS with the API server's own client certificate, from nodes within the cluster's range only; redirects are
 * not followed.
 */
export function createPodLogSource(options: {
  readonly clusterCidr: string
  readonly ca: string
  readonly cert: string
  readonly key: string
}): PodLogSource {
  const agent = new Agent({ ca: options.ca, cert: options.cert, key: options.key, keepAlive: true, maxSockets: 64 })
  return (node, path, signal) => {
    const { address, port, name } = nodeEndpoint(node, options.clusterCidr)
    return new Promise((resolve, reject) => {
      const call = request(
        { agent, host: address, port, path, method: 'GET', signal, servername: name },
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

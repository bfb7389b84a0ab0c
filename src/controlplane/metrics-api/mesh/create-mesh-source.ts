import { Agent, request } from 'node:https'
import { PROXY_SERVICE } from '../../../api/proxy-endpoints.ts'
import { inRange, parseCidr } from '../../../base/ipv4.ts'
import type { MeshSource } from './mesh-source.ts'

export interface MeshSourceOptions {
  readonly clusterCidr: string
  /** PEM: the cluster's CA, and the certificate by which agents and proxies know the API server. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/**
 * Reads over TLS from proxies within the cluster's range only: what their EndpointSlices say is written by them.
 * Redirects are not followed.
 */
export function createMeshSource({ clusterCidr, ...tls }: MeshSourceOptions): MeshSource {
  const range = parseCidr(clusterCidr)
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 2, maxTotalSockets: 64 })
  return ({ name, address, port }, signal) =>
    new Promise((resolve, reject) => {
      if (!inRange(range, address)) return reject(new Error(`proxy "${name}" has no address that may be called`))
      const call = request(
        { agent, host: address, port, path: '/mesh', method: 'GET', signal, servername: PROXY_SERVICE.name },
        (response) => resolve({ status: response.statusCode ?? 502, body: response as AsyncIterable<Uint8Array> }),
      )
      call.on('error', reject)
      call.end()
    })
}

import type { ServicePort } from '../../api/types/core-v1.gen.ts'

/** KEP-3726's name for WebSocket over HTTP/1.1 beside the plain one; `kubernetes.io/h2c` and `grpc` begin otherwise. */
const APP_PROTOCOLS = ['http', 'kubernetes.io/ws']

/**
 * Whether connections to a Service port carry HTTP/1.1, as people say it: by `appProtocol`, or, where that is not set, by
 * a port that is called `http` or `http-…`. `https` and all else is relayed as bytes.
 */
export function isHttpPort({ appProtocol, name, protocol }: ServicePort): boolean {
  if ((protocol ?? 'TCP') !== 'TCP') return false
  if (appProtocol !== undefined && appProtocol !== '') return APP_PROTOCOLS.includes(appProtocol.toLowerCase())
  return name === 'http' || name?.startsWith('http-') === true
}

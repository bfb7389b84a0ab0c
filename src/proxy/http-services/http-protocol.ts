import type { ServicePort } from '../../api/types/core-v1.gen.ts'

/** What endpoints of a Service port are spoken to in: HTTP/1.1, or HTTP/2 without TLS from the first byte on. */
export type HttpProtocol = 'http1' | 'h2c'

/** Names of KEP-3726 and of IANA. TLS (`https`, `kubernetes.io/wss`) is not ended here. */
const BY_APP_PROTOCOL: Readonly<Record<string, HttpProtocol>> = {
  http: 'http1',
  'kubernetes.io/ws': 'http1',
  'kubernetes.io/h2c': 'h2c',
  grpc: 'h2c',
}

/**
 * Whether connections to a Service port carry HTTP, and which, as people say it: by `appProtocol`, or, where that is not
 * set, by a port that is called `http` or `http-…`. undefined: all else is relayed as bytes.
 */
export function httpProtocol({ appProtocol, name, protocol }: ServicePort): HttpProtocol | undefined {
  if ((protocol ?? 'TCP') !== 'TCP') return undefined
  if (appProtocol !== undefined && appProtocol !== '') {
    const known = appProtocol.toLowerCase()
    return Object.hasOwn(BY_APP_PROTOCOL, known) ? BY_APP_PROTOCOL[known] : undefined
  }
  return name === 'http' || name?.startsWith('http-') === true ? 'http1' : undefined
}

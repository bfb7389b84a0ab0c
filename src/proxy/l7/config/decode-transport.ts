import type { ConfigNode } from './config-node.ts'
import { ifGiven } from './if-given.ts'
import { present } from './present.ts'
import type { ListenerConfig } from './proxy-config.ts'

type Transport = Pick<ListenerConfig, 'tls' | 'proxyProtocol' | 'http2'>

/** How a listener's connections are spoken on. */
export function decodeTransport(fields: Readonly<Record<'tls' | 'proxyProtocol' | 'http2', ConfigNode>>): Transport {
  const tls = ifGiven(fields.tls, decodeTls)
  const http2 = ifGiven(fields.http2, (node) => node.boolean())
  if (tls === 'passthrough' && http2 !== undefined) {
    fields.http2.fault('has no effect with tls passthrough: client and endpoint agree on it')
  }
  return present({
    tls,
    proxyProtocol: ifGiven(fields.proxyProtocol, (node) => node.oneOf(['off', 'required'])),
    http2,
  })
}

function decodeTls(node: ConfigNode): ListenerConfig['tls'] | undefined {
  if (node.value === 'passthrough') return 'passthrough'
  if (typeof node.value === 'string') return node.fault('must be passthrough, or a mapping with certificates')
  const fields = node.fields(['certificates', 'minVersion'])
  if (fields === undefined) return undefined
  const certificates = (fields.certificates.items('certificates') ?? []).flatMap((item) => {
    const parts = item.fields(['certificate', 'key', 'names'])
    const certificateFile = parts?.certificate.text('the name of a PEM file')
    const keyFile = parts?.key.text('the name of a PEM file')
    const names = parts === undefined || parts.names.isAbsent ? undefined : parts.names.items('server names')
    const serverNames = names?.flatMap((name) => name.text('a name such as shop.example.com or *.example.com') ?? [])
    if (certificateFile === undefined || keyFile === undefined) return []
    return { certificateFile, keyFile, ...present({ serverNames }) }
  })
  const minVersion = ifGiven(fields.minVersion, (version) => version.oneOf(['TLSv1.2', 'TLSv1.3'] as const))
  return { certificates, ...present({ minVersion }) }
}

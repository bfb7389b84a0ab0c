import type { ConfigNode } from './config-node.ts'
import { ifGiven } from './if-given.ts'
import { present } from './present.ts'
import type { BackendTlsConfig } from './proxy-config.ts'

/** As names are asked for in TLS: no address (RFC 6066 §3), no wildcard. */
const SERVER_NAME = /^(?![\d.]+$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$/

/** `tls` of a backend: `true`, or how to encrypt. */
export function decodeBackendTls(node: ConfigNode): BackendTlsConfig | undefined {
  if (node.value === true) return {}
  if (typeof node.value === 'boolean') return node.fault('must be true, or a mapping, or left out')
  const fields = node.fields(['ca', 'serverName', 'certificate', 'key', 'insecureSkipVerify'])
  if (fields === undefined) return undefined
  const file = (field: ConfigNode): string | undefined => ifGiven(field, (name) => name.text('the name of a PEM file'))
  const skips = ifGiven(fields.insecureSkipVerify, (skip) => skip.boolean())
  if (skips === true && !fields.ca.isAbsent)
    fields.ca.fault('has no effect with insecureSkipVerify: nobody is verified')
  if (fields.certificate.isAbsent !== fields.key.isAbsent) {
    const [given, missing] = fields.key.isAbsent ? (['certificate', 'key'] as const) : (['key', 'certificate'] as const)
    fields[missing].fault(`the PEM file that goes with ${given}`)
  }
  return present({
    caFile: file(fields.ca),
    serverName: ifGiven(fields.serverName, (name) => name.text('a name such as shop.example.com', SERVER_NAME)),
    certificateFile: file(fields.certificate),
    keyFile: file(fields.key),
    verifies: skips === undefined ? undefined : !skips,
  })
}

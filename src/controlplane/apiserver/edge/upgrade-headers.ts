type Headers = Readonly<Record<string, string | undefined>>

/** All that a node is told of the client's request for another protocol: neither who asks nor with which credentials. */
const ASKED = ['upgrade', 'x-stream-protocol-version', 'sec-websocket-key', 'sec-websocket-version'] as const
/** All that the client is told of the node's answer. */
const ANSWERED = ['upgrade', 'x-stream-protocol-version', 'sec-websocket-accept', 'sec-websocket-protocol'] as const
const PROTOCOLS = 'sec-websocket-protocol'
/** Browsers cannot set Authorization, so clients there send their token as one of the subprotocols. */
const BEARER = 'base64url.bearer.authorization.k8s.io.'

function picked(headers: Headers, names: readonly string[]): Record<string, string> {
  const result: Record<string, string> = { connection: 'Upgrade' }
  for (const name of names) {
    const value = headers[name]
    if (value !== undefined) result[name] = value
  }
  return result
}

function listOf(header: string | undefined): readonly string[] {
  return (header ?? '').split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
}

/** The headers of the request that goes to the node. */
export function askedUpgrade(headers: Headers): Readonly<Record<string, string>> {
  const protocols = listOf(headers[PROTOCOLS]).filter((name) => !name.startsWith(BEARER))
  return {
    ...picked(headers, ASKED),
    ...(protocols.length === 0 ? {} : { [PROTOCOLS]: protocols.join(', ') }),
  }
}

/** The headers of the answer that goes to the client. */
export function answeredUpgrade(headers: Headers): Readonly<Record<string, string>> {
  return picked(headers, ANSWERED)
}

/** The `Authorization` that a client sends as a WebSocket subprotocol; undefined when it does not. */
export function bearerProtocol(headers: Headers): string | undefined {
  const found = listOf(headers[PROTOCOLS]).find((name) => name.startsWith(BEARER))
  if (found === undefined) return undefined
  return `Bearer ${Buffer.from(found.slice(BEARER.length), 'base64url').toString('latin1')}`
}

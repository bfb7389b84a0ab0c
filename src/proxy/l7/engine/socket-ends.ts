import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'

export interface NamedSocket {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

/** The ends of an accepted connection; undefined when it has gone already. */
export function socketEnds(socket: NamedSocket): ConnectionEnds | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  if (localAddress === undefined || localPort === undefined) return undefined
  return {
    source: { address: remoteAddress, port: remotePort },
    destination: { address: localAddress, port: localPort },
  }
}

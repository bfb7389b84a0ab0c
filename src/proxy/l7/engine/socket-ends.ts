import type { Socket } from 'node:net'
import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'

/** The ends of an accepted connection; undefined when it has gone already. */
export function socketEnds(socket: Socket): ConnectionEnds | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  if (localAddress === undefined || localPort === undefined) return undefined
  return {
    source: { address: remoteAddress, port: remotePort },
    destination: { address: localAddress, port: localPort },
  }
}

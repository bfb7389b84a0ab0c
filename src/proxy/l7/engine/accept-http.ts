import { Socket } from 'node:net'
import { Http2Client } from '../http2/http2-client.ts'
import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'
import type { TlsAcceptor } from '../tls/tls-acceptor.ts'
import type { Client } from './client.ts'
import { ClientConnection } from './client-connection.ts'
import type { ClientSettings } from './client-settings.ts'
import type { EngineContext } from './engine-context.ts'
import { ProxyHeaderGate } from './proxy-header-gate.ts'
import { TlsHandshake } from './tls-handshake.ts'
import type { EncryptedSocket, Wire } from './wire.ts'

/** `handle`: an accepted connection below `net.Socket`. */
export type Accept = (handle: object) => void

/**
 * What a listener for HTTP does with a connection: reads its PROXY protocol header if `hasHeader`, ends TLS with
 * `acceptor`, and serves its requests. `clients` holds it in each of its shapes.
 */
export function acceptHttp(
  context: EngineContext,
  settings: ClientSettings,
  clients: Set<Client>,
  acceptor: TlsAcceptor | undefined,
  hasHeader: boolean,
): Accept {
  const left = (client: Client): void => {
    clients.delete(client)
  }
  const serve = (source: object | EncryptedSocket | Wire, ends: ConnectionEnds | undefined): ClientConnection => {
    const client = new ClientConnection(context, settings, source, ends)
    clients.add(client)
    return client
  }
  const secure = (tls: TlsAcceptor, socket: Socket, ends: ConnectionEnds | undefined): void => {
    const exits = {
      secured: (encrypted: EncryptedSocket) => {
        if (!encrypted.isHttp2) serve(encrypted, ends)
        else clients.add(new Http2Client(context, settings, encrypted, ends))
      },
      failed: () => settings.countError('tls-handshake-failed'),
      left,
    }
    clients.add(new TlsHandshake(tls, socket, exits))
  }
  if (!hasHeader) {
    if (acceptor === undefined) return (handle) => void serve(handle, undefined)
    return (handle) => {
      const socket = new Socket({ handle, pauseOnCreate: true } as ConstructorParameters<typeof Socket>[0])
      socket.setNoDelay(true)
      secure(acceptor, socket, undefined)
    }
  }
  const exits = {
    passed(wire: Wire, ends: ConnectionEnds | undefined, rest: Uint8Array): boolean {
      if (acceptor !== undefined) {
        secure(acceptor, wire.release(rest), ends)
        return false
      }
      const client = serve(wire, ends)
      return rest.length === 0 || client.onBytes(rest.length, rest)
    },
    refused: settings.countError,
    left,
  }
  return (handle) => clients.add(new ProxyHeaderGate(context, handle, exits))
}

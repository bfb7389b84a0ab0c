import type { Socket } from 'node:net'
import type { TlsAcceptor } from '../tls/tls-acceptor.ts'
import type { Client } from './client.ts'
import type { EncryptedSocket } from './wire.ts'

export interface HandshakeExits {
  secured(socket: EncryptedSocket): void
  failed(): void
  /** Last, however it went. */
  left(handshake: TlsHandshake): void
}

/** A client's connection until it is encrypted. */
export class TlsHandshake implements Client {
  readonly #socket: Socket

  /** `socket`: paused; what was put back into it is read first. */
  constructor(acceptor: TlsAcceptor, socket: Socket, exits: HandshakeExits) {
    this.#socket = socket
    socket.on('error', ignore)
    // Who ends before the handshake is over has gone; afterwards it may still want its answer.
    socket.allowHalfOpen = false
    const onClose = (): void => exits.left(this)
    socket.once('close', onClose)
    acceptor.accept(socket, {
      secured: (encrypted) => {
        socket.off('close', onClose)
        exits.left(this)
        encrypted.allowHalfOpen = true
        exits.secured({ encrypted, plain: socket, isHttp2: encrypted.alpnProtocol === 'h2' })
      },
      failed: () => {
        exits.failed()
        this.destroy()
      },
    })
  }

  drain(): void {
    this.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

function ignore(): void {}

import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Clock } from '../../../base/clock.ts'
import { CertificateStore } from './certificate-store.ts'
import type { TlsOptions } from './tls-options.ts'

/** What becomes of a connection that is to speak TLS: one of the two, or it closes without a word. */
export interface HandshakeOutcome {
  /** Nothing has been read from it yet. */
  secured(socket: TLSSocket): void
  failed(error: Error): void
}

/** Node.js keeps the connection beneath TLS here. */
interface TlsSocketParts {
  readonly _parent: Socket
}

/** Makes TLS connections of plain ones, with the certificate that each client's server name asks for. */
export class TlsAcceptor {
  readonly #server: Server
  readonly #store: CertificateStore
  readonly #outcomes = new Map<Socket, HandshakeOutcome>()

  private constructor(server: Server, store: CertificateStore) {
    this.#server = server
    this.#store = store
    server.on('secureConnection', (socket) => this.#take(socket)?.secured(socket))
    server.on('tlsClientError', (error, socket) => {
      this.#take(socket)?.failed(error)
      socket.destroy()
    })
  }

  /** `handshakeMs`: how long a client may take; `http2`: it may choose HTTP/2. Rejects when a certificate cannot be used. */
  static async open(options: TlsOptions, clock: Clock, handshakeMs: number, http2: boolean): Promise<TlsAcceptor> {
    const store = await CertificateStore.open(options, clock, () => server.setSecureContext(store.default.options))
    // It listens nowhere: connections are handed to it.
    const server = createServer({
      ...store.default.options,
      ALPNProtocols: http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
      handshakeTimeout: handshakeMs,
      SNICallback: (serverName, done) => done(null, store.find(serverName).context),
    })
    return new TlsAcceptor(server, store)
  }

  /** Begins the handshake. Bytes that were put back into `socket` are read first. */
  accept(socket: Socket, outcome: HandshakeOutcome): void {
    this.#outcomes.set(socket, outcome)
    socket.once('close', () => this.#outcomes.delete(socket))
    this.#server.emit('connection', socket)
  }

  reload(): Promise<void> {
    return this.#store.reload()
  }

  status(): unknown {
    return this.#store.status()
  }

  close(): void {
    this.#store.stop()
  }

  #take(socket: TLSSocket): HandshakeOutcome | undefined {
    const { _parent: plain } = socket as unknown as TlsSocketParts
    const outcome = this.#outcomes.get(plain)
    this.#outcomes.delete(plain)
    return outcome
  }
}

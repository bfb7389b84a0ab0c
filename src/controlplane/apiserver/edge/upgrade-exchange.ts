import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { Http1Exchange, headersOf } from './http1-exchange.ts'
import { joinConnections } from './join-connections.ts'
import { bearerProtocol } from './upgrade-headers.ts'

const NOTHING = new Uint8Array(0)

/** With a body it could not be told where the other protocol begins. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

function withBearer(headers: Record<string, string | undefined>): Record<string, string | undefined> {
  if (headers.authorization === undefined) headers.authorization = bearerProtocol(headers)
  return headers
}

/**
 * A request for another protocol (RFC 9110 §7.8), the last one of its connection: either the connection is joined with
 * a tunnel, or it is answered like any other request and closed. Nothing the client sends is read before that is clear.
 */
export class UpgradeExchange extends Http1Exchange {
  readonly canUpgrade = true
  readonly #answer: ServerResponse
  readonly #head: Buffer
  #joined = false

  /** `head` is what came after the request's head. */
  constructor(request: IncomingMessage, socket: TLSSocket, head: Buffer) {
    const response = new ServerResponse(request)
    super(request, response, withBearer(headersOf(request)))
    this.#answer = response
    this.#head = head
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => socket.end(() => socket.destroy()))
  }

  override async readBody(): Promise<Uint8Array> {
    return NOTHING
  }

  join(headers: Readonly<Record<string, string>>, tunnel: Duplex): void {
    const { socket } = this
    if (socket.destroyed) return void tunnel.destroy()
    this.#joined = true
    this.#answer.detachSocket(socket)
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`, 'latin1')
    if (this.#head.length > 0) socket.unshift(this.#head)
    joinConnections(socket, tunnel)
  }

  override onClose(callback: (complete: boolean) => void): void {
    this.socket.once('close', () => callback(this.#joined || this.#answer.writableFinished))
  }
}

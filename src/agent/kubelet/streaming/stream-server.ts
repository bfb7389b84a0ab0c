import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { ContainerSession, TerminalSize } from '../../runtime/runtime.ts'
import { NodeRequestError } from '../node-request-error.ts'
import { type PodStreams, PodStreamsError } from '../pod-streams.ts'
import { acceptChannelCommand } from './channel-command.ts'
import { serveChannelPortForward } from './channel-port-forward.ts'
import { chooseProtocol, NoProtocolError, type StreamProtocol } from './choose-protocol.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import type { RemoteCommand } from './remote-command.ts'
import { runRemoteCommand } from './run-remote-command.ts'
import { acceptSpdyCommand } from './spdy-command.ts'
import { type PortForwardOptions, serveSpdyPortForward } from './spdy-port-forward.ts'
import { parseStreamRequest, type StreamRequest } from './stream-request.ts'

export interface StreamServerOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/** What a WebSocket message may hold; kubectl's have up to 32 KiB. */
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024

/**
 * Serves exec, attach and port forwarding on connections whose upgrade was asked for by somebody who may. Everything
 * that can be refused is refused before the upgrade, with a status in HTTP.
 */
export class StreamServer {
  readonly #pods: PodStreams
  readonly #options: StreamServerOptions
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    // Chosen before the handshake is begun; the first that is offered and chosen is answered.
    handleProtocols: (_offered, request) => chosenName(request),
  })

  constructor(pods: PodStreams, options: StreamServerOptions) {
    this.#pods = pods
    this.#options = options
  }

  /** Takes over the connection of an upgrade request. Never rejects; resolves when the streams are done. */
  async serve(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const asked = parseStreamRequest(request.url ?? '/')
      const protocol = chooseProtocol(request.headers, asked.kind)
      if (asked.kind === 'portForward') await this.#portForward(asked, protocol, request, socket, head)
      else await this.#command(asked, protocol, request, socket, head)
    } catch (error) {
      if (error instanceof NodeRequestError) refuseUpgrade(socket, error.status, error.message)
      else if (error instanceof NoProtocolError) refuseUpgrade(socket, 400, error.message)
      else if (error instanceof PodStreamsError)
        refuseUpgrade(socket, error.kind === 'notFound' ? 404 : 400, error.message)
      else {
        this.#options.logger.warn({ err: error, path: request.url?.split('?')[0] }, 'a stream could not be served')
        refuseUpgrade(socket, 500, 'the streams could not be served; see the log of the agent')
      }
    }
  }

  async #command(
    asked: Extract<StreamRequest, { kind: 'exec' | 'attach' }>,
    protocol: StreamProtocol,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const { kind, namespace, pod, container, command, streams } = asked
    const found = await this.#pods.container(namespace, pod, container)
    let remote: RemoteCommand | undefined
    if (protocol.kind === 'spdy') {
      switchToSpdy(socket, head, protocol.name)
      remote = await acceptSpdyCommand(socket, protocol.version, streams, this.#options)
    } else if (protocol.kind === 'channels') {
      remote = acceptChannelCommand(await this.#webSocket(request, socket, head), protocol.channels, streams)
    }
    if (remote === undefined) return
    const options = {
      tty: streams.tty,
      clock: this.#options.clock,
      failure: kind === 'exec' ? 'error executing command in container' : 'error attaching to container',
    }
    const open = (size: TerminalSize | undefined): Promise<ContainerSession> => {
      const how = { stdin: streams.stdin, tty: streams.tty, size }
      return kind === 'exec' ? found.exec(command, how) : found.attach(how)
    }
    await runRemoteCommand(remote, options, open)
  }

  async #portForward(
    { namespace, pod, ports }: Extract<StreamRequest, { kind: 'portForward' }>,
    protocol: StreamProtocol,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const options: PortForwardOptions = {
      ...this.#options,
      pod: `${namespace}/${pod}`,
      address: () => this.#pods.address(namespace, pod),
    }
    await options.address()
    if (protocol.kind === 'spdy') {
      switchToSpdy(socket, head, protocol.name)
      await serveSpdyPortForward(socket, options)
    } else if (protocol.kind === 'tunnel') {
      const webSocket = await this.#webSocket(request, socket, head)
      await serveSpdyPortForward(createWebSocketStream(webSocket), options)
    } else {
      if (ports.length === 0) throw new NodeRequestError(400, 'you must specify at least 1 port')
      await serveChannelPortForward(await this.#webSocket(request, socket, head), protocol.channels, ports, options)
    }
  }

  /** Rejects when the handshake is not one; the client has been told then. */
  #webSocket(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
      socket.once('close', () => reject(new NodeRequestError(400, 'no WebSocket handshake')))
      this.#webSockets.handleUpgrade(request, socket, head, resolve)
    })
  }
}

function chosenName(request: IncomingMessage): string | false {
  const protocol = chooseProtocol(request.headers, parseStreamRequest(request.url ?? '/').kind)
  const name = protocol.kind === 'channels' ? protocol.channels.name : protocol.name
  return name === '' ? false : name
}

function switchToSpdy(socket: Duplex, head: Buffer, name: string): void {
  const version = name === '' ? '' : `X-Stream-Protocol-Version: ${name}\r\n`
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n${version}\r\n`)
  if (head.length > 0) socket.unshift(head)
}

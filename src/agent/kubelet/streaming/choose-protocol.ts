import type { IncomingMessage } from 'node:http'
import { type ChannelProtocol, COMMAND_PROTOCOLS, PORT_FORWARD_PROTOCOLS } from './channel-protocol.ts'
import type { StreamRequest } from './stream-request.ts'

/** How the streams of a request are carried. */
export type StreamProtocol =
  | { readonly kind: 'spdy'; readonly name: string; readonly version: number }
  | { readonly kind: 'channels'; readonly channels: ChannelProtocol }
  /** SPDY frames inside the messages of a WebSocket (KEP-4006). */
  | { readonly kind: 'tunnel'; readonly name: string }

/** Nothing that the client offers is known here; the message is for it. */
export class NoProtocolError extends Error {
  constructor(offered: readonly string[], known: readonly string[]) {
    super(`unable to upgrade: the client offers [${offered.join(' ')}], the server accepts [${known.join(' ')}]`)
    this.name = 'NoProtocolError'
  }
}

const SPDY = 'spdy/3.1'
const COMMAND_VERSIONS: ReadonlyMap<string, number> = new Map([
  ['v4.channel.k8s.io', 4],
  ['v3.channel.k8s.io', 3],
  ['v2.channel.k8s.io', 2],
  ['channel.k8s.io', 1],
])
const PORT_FORWARD_VERSIONS: ReadonlyMap<string, number> = new Map([['portforward.k8s.io', 1]])
const TUNNEL = 'SPDY/3.1+portforward.k8s.io'

function listOf(header: string | undefined): readonly string[] {
  return (header ?? '').split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
}

function spdyProtocol(offered: readonly string[], versions: ReadonlyMap<string, number>): StreamProtocol {
  // Clients from before there were versions offer none.
  if (offered.length === 0) return { kind: 'spdy', name: '', version: 1 }
  const name = offered.find((candidate) => versions.has(candidate))
  if (name === undefined) throw new NoProtocolError(offered, [...versions.keys()])
  return { kind: 'spdy', name, version: versions.get(name)! }
}

/** The first protocol of the client's list that is known here. Throws NoProtocolError. */
export function chooseProtocol(headers: IncomingMessage['headers'], kind: StreamRequest['kind']): StreamProtocol {
  const upgrades = listOf(headers.upgrade).map((name) => name.toLowerCase())
  if (upgrades.includes(SPDY)) {
    const offered = listOf(headers['x-stream-protocol-version'] as string | undefined)
    return spdyProtocol(offered, kind === 'portForward' ? PORT_FORWARD_VERSIONS : COMMAND_VERSIONS)
  }
  if (!upgrades.includes('websocket')) throw new NoProtocolError(upgrades, [SPDY, 'websocket'])
  const offered = listOf(headers['sec-websocket-protocol'])
  const channels = kind === 'portForward' ? PORT_FORWARD_PROTOCOLS : COMMAND_PROTOCOLS
  for (const name of offered.length === 0 ? [''] : offered) {
    if (kind === 'portForward' && name === TUNNEL) return { kind: 'tunnel', name }
    const found = channels.find((protocol) => protocol.name === name)
    if (found !== undefined) return { kind: 'channels', channels: found }
  }
  const tunnels = kind === 'portForward' ? [TUNNEL] : []
  throw new NoProtocolError(offered, [...tunnels, ...channels.flatMap(({ name }) => (name === '' ? [] : [name]))])
}

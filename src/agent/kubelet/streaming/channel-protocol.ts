/** A WebSocket subprotocol that carries several streams: each message is a channel's number and its data. */
export interface ChannelProtocol {
  /** As the client offers it; empty for one that offers none. */
  readonly name: string
  /** 1: the error channel speaks in sentences; 4: in Status objects; 5: and an end of input can be told. */
  readonly version: 1 | 4 | 5
  readonly encoding: 'binary' | 'base64'
}

export const COMMAND_PROTOCOLS: readonly ChannelProtocol[] = [
  { name: 'v5.channel.k8s.io', version: 5, encoding: 'binary' },
  { name: 'v4.channel.k8s.io', version: 4, encoding: 'binary' },
  { name: 'v4.base64.channel.k8s.io', version: 4, encoding: 'base64' },
  { name: 'channel.k8s.io', version: 1, encoding: 'binary' },
  { name: 'base64.channel.k8s.io', version: 1, encoding: 'base64' },
  { name: '', version: 1, encoding: 'binary' },
]

/** Port forwarding without SPDY: two channels a port. */
export const PORT_FORWARD_PROTOCOLS: readonly ChannelProtocol[] = [
  { name: 'v4.channel.k8s.io', version: 4, encoding: 'binary' },
  { name: 'v4.base64.channel.k8s.io', version: 4, encoding: 'base64' },
  { name: '', version: 4, encoding: 'binary' },
]

export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const

/** In version 5: the message `[255, channel]` ends that channel. */
const CLOSE = 255
const DIGIT_ZERO = 0x30
const CHANNELS_MAX = 64

export type ChannelMessage =
  | { readonly kind: 'data'; readonly channel: number; readonly data: Buffer }
  | { readonly kind: 'end'; readonly channel: number }

/** What a message says; undefined for one that says nothing. */
export function readChannelMessage(protocol: ChannelProtocol, message: Buffer): ChannelMessage | undefined {
  const first = message[0]
  if (first === undefined) return undefined
  const channel = protocol.encoding === 'base64' ? first - DIGIT_ZERO : first
  if (protocol.version >= 5 && channel === CLOSE) {
    const ended = message[1]
    return ended === undefined ? undefined : { kind: 'end', channel: ended }
  }
  if (channel < 0 || channel >= CHANNELS_MAX) return undefined
  const rest = message.subarray(1)
  const data = protocol.encoding === 'base64' ? Buffer.from(rest.toString('latin1'), 'base64') : rest
  return { kind: 'data', channel, data }
}

/** A message with data of a channel: bytes, or text for base64. */
export function channelMessage(protocol: ChannelProtocol, channel: number, data: Uint8Array): Buffer | string {
  if (protocol.encoding === 'base64')
    return String.fromCharCode(DIGIT_ZERO + channel) + Buffer.from(data).toString('base64')
  const message = Buffer.allocUnsafe(1 + data.length)
  message[0] = channel
  message.set(data, 1)
  return message
}

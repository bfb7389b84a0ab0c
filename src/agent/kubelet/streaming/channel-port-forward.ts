import type { WebSocket } from 'ws'
import { ChannelConnection } from './channel-connection.ts'
import type { ChannelProtocol } from './channel-protocol.ts'
import { connectToPod, forwardError, joinStreams } from './forward-port.ts'
import type { PortForwardOptions } from './spdy-port-forward.ts'

/** What each channel begins with: its port, so that the client can tell them apart. */
function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(port)
  return bytes
}

/**
 * Forwards the ports named in the request over the channels of a WebSocket: `2 i` carries the data of port i, `2 i + 1`
 * what goes wrong. One connection for each port; the WebSocket ends with the last of them.
 */
export async function serveChannelPortForward(
  socket: WebSocket,
  protocol: ChannelProtocol,
  ports: readonly number[],
  options: Omit<PortForwardOptions, 'clock'>,
): Promise<void> {
  const connection = new ChannelConnection(socket, protocol)
  const forward = async (port: number, channel: number): Promise<void> => {
    const input = connection.input(channel)
    const output = connection.output(channel)
    connection.send(channel, portBytes(port))
    connection.send(channel + 1, portBytes(port))
    try {
      await joinStreams(await connectToPod(await options.address(), port), input, output)
    } catch (error) {
      connection.send(channel + 1, Buffer.from(forwardError(port, options.pod, error)))
    }
  }
  await Promise.all(ports.map((port, i) => forward(port, 2 * i)))
  connection.close()
}

import type { WebSocket } from 'ws'
import type { TerminalSize } from '../../runtime/runtime.ts'
import { ChannelConnection } from './channel-connection.ts'
import { CHANNEL, type ChannelProtocol } from './channel-protocol.ts'
import { outcomeText } from './command-outcome.ts'
import type { RemoteCommand } from './remote-command.ts'
import type { StreamChoice } from './stream-request.ts'
import { TerminalSizes } from './terminal-sizes.ts'

/** A remote command whose streams are the channels of a WebSocket. */
export function acceptChannelCommand(
  socket: WebSocket,
  protocol: ChannelProtocol,
  choice: StreamChoice,
): RemoteCommand {
  const connection = new ChannelConnection(socket, protocol)
  const sizes = new TerminalSizes()
  let last: TerminalSize | undefined
  let onSize: (size: TerminalSize) => void = () => {}
  connection.input(CHANNEL.resize).on('data', (bytes: Buffer) => {
    for (const size of sizes.push(bytes)) {
      last = size
      onSize(size)
    }
  })
  // Clients of old take the first message, empty, as the word that they are connected.
  connection.send(choice.stdout ? CHANNEL.stdout : choice.stderr ? CHANNEL.stderr : CHANNEL.error, Buffer.alloc(0))
  return {
    stdin: choice.stdin ? connection.input(CHANNEL.stdin) : undefined,
    stdout: choice.stdout ? connection.output(CHANNEL.stdout) : undefined,
    stderr: choice.stderr ? connection.output(CHANNEL.stderr) : undefined,
    gone: connection.gone,
    onResize(callback) {
      onSize = callback
      if (last !== undefined) callback(last)
    },
    finish(outcome) {
      const text = outcomeText(outcome, protocol.version)
      if (text !== '') connection.send(CHANNEL.error, Buffer.from(text))
      connection.close()
    },
  }
}

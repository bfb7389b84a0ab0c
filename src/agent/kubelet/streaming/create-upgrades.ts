import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { PodStreams } from '../pod-streams.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import type { StreamServer } from './stream-server.ts'

export interface Upgrades {
  /** Takes a connection that asks for another protocol, from somebody who may ask. */
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Cuts all of them off. */
  close(): void
}

/** Each may hold a process and some buffers. */
const UPGRADED_MAX = 256
/** As the kubelet's `--streaming-connection-idle-timeout`. */
const IDLE_MS = 4 * 3_600_000

/** Keeps count of the upgraded connections of one node. The protocols are loaded when the first one comes. */
export function createUpgrades(
  pods: PodStreams,
  options: { readonly clock: Clock; readonly logger: Logger },
): Upgrades {
  const open = new Set<Duplex>()
  let server: Promise<StreamServer> | undefined
  const load = async (): Promise<StreamServer> => {
    const { StreamServer } = await import('./stream-server.ts')
    return new StreamServer(pods, options)
  }
  return {
    take(request, socket, head) {
      // Every connection that breaks also closes, and `close` is what the streams listen for.
      socket.on('error', () => {})
      if (open.size >= UPGRADED_MAX) return refuseUpgrade(socket, 503, 'too many streams on this node')
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      const connection = socket as TLSSocket
      connection.setNoDelay(true)
      connection.setTimeout(IDLE_MS, () => socket.destroy())
      server ??= load()
      server
        .then((loaded) => loaded.serve(request, socket, head))
        .catch((error) => {
          options.logger.error({ err: error }, 'the streams could not be served')
          socket.destroy()
        })
    },
    close() {
      for (const socket of open) socket.destroy()
    },
  }
}

import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/** As the kubelet's `--streaming-connection-idle-timeout`. */
const IDLE_MS = 4 * 3_600_000
/** Once one side has said all, the other has this long to close. */
const LINGER_MS = 10_000

/**
 * Passes bytes between a client and a node, each only as fast as the other takes them, until one of them ends. Whatever
 * ends or breaks on one side ends the other; what was read before is still passed on.
 */
export function joinConnections(client: TLSSocket, tunnel: Duplex): void {
  const breakOff = (): void => {
    client.destroy()
    tunnel.destroy()
  }
  const timers: NodeJS.Timeout[] = []
  for (const [from, to] of [
    [client, tunnel],
    [tunnel, client],
  ] as const) {
    from.on('error', breakOff)
    from.once('close', () => {
      // After an end in order the other side was told to end, too, once it has taken everything.
      if (!from.readableEnded) breakOff()
      if (client.destroyed && tunnel.destroyed) for (const timer of timers) clearTimeout(timer)
    })
    to.once('finish', () => timers.push(setTimeout(breakOff, LINGER_MS).unref()))
    from.pipe(to)
  }
  client.setTimeout(IDLE_MS, breakOff)
}

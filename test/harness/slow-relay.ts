import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A wire to a port of this machine on which every byte takes `delayMs`, each way. */
export interface SlowRelay {
  readonly port: number
  delayMs: number
  close(): Promise<void>
}

export async function startSlowRelay(target: number, delayMs: number): Promise<SlowRelay> {
  const sockets = new Set<Socket>()
  const relay = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => from.destroy())
      from.on('data', (chunk) => setTimeout(() => to.write(chunk), self.delayMs))
      from.on('close', () => {
        sockets.delete(from)
        setTimeout(() => to.destroy(), self.delayMs)
      })
    }
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  const self: SlowRelay = {
    port: (relay.address() as AddressInfo).port,
    delayMs,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => relay.close(() => resolve()))
    },
  }
  return self
}

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A wire between a client and a port of this machine that can be cut, frozen and led elsewhere. */
export interface TcpRelay {
  readonly port: number
  /** How many connections have been made so far. */
  readonly accepted: number
  /** Where new connections go. */
  target: number
  /** Resets every connection there is. */
  cut(): void
  /** From now on nothing goes either way on the connections there are, and nobody is told. */
  freeze(): void
  close(): Promise<void>
}

export async function startTcpRelay(target: number): Promise<TcpRelay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let accepted = 0
  const relay = createServer((client) => {
    accepted += 1
    const upstream = connect(self.target, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.on('data', (chunk) => to.write(chunk))
      from.on('error', () => {})
      from.on('close', () => {
        pairs.delete(pair)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  const self: TcpRelay = {
    port: (relay.address() as AddressInfo).port,
    target,
    get accepted() {
      return accepted
    },
    cut() {
      for (const [client, upstream] of pairs) {
        client.resetAndDestroy()
        upstream.resetAndDestroy()
      }
    },
    freeze() {
      for (const pair of pairs)
        for (const socket of pair) {
          socket.removeAllListeners('data')
          socket.pause()
        }
    },
    close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      return new Promise((resolve) => relay.close(() => resolve()))
    },
  }
  return self
}

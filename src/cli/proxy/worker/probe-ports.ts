import { createServer, type Server } from 'node:net'
import type { ListenerConfig } from '../../../proxy/l7/config/proxy-config.ts'

/**
 * The ports that listeners are to have, by their names: for 0 a free one, the same for all workers. Rejects with the
 * system's error where another program listens: sockets that share a port also share it with another proxy's, whose
 * requests they would take away unasked. Nothing stays open.
 */
export async function probePorts(listeners: readonly ListenerConfig[]): Promise<Readonly<Record<string, number>>> {
  const servers: Server[] = []
  try {
    const ports: [string, number][] = []
    for (const { name, host, port } of listeners) {
      const server = createServer()
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port, exclusive: true }, resolve)
      })
      servers.push(server)
      const address = server.address()
      ports.push([name, typeof address === 'object' && address !== null ? address.port : port])
    }
    return Object.fromEntries(ports)
  } finally {
    // All at once at the end, so that no two of them get the same free port.
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))))
  }
}

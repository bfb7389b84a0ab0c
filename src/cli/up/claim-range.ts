import { createServer, type Server } from 'node:net'

const CLAIM_PORT = 1_024

/**
 * Takes a cluster's range of loopback addresses for this process by listening on its last usable address, which the
 * kernel gives to one process only and takes back whenever that process ends. Undefined when another one has it.
 */
export function claimRange(octet: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen({ host: `127.${octet}.255.254`, port: CLAIM_PORT, exclusive: true }, () => resolve(server))
  })
}

import { connect, createServer, type Server } from 'node:net'

const CLAIM_PORT = 1_024

/** How long whoever has a range may take to say for which cluster. */
const ANSWER_MS = 2_000
const RETRY_MS = 1_000

/** A range that this process uses, alone or with others of the same cluster. */
export interface RangeClaim {
  close(): void
}

function claimAddress(octet: number): { readonly host: string; readonly port: number } {
  return { host: `127.${octet}.255.254`, port: CLAIM_PORT }
}

/**
 * Takes a cluster's range of loopback addresses for this process by listening on its last usable address, which the
 * kernel gives to one process only and takes back whenever that process ends. Whoever connects is told `clusterId`
 * (asked for at that moment), so that other parts of the same cluster on this machine may use the range, too. Undefined
 * when another process has it.
 */
export function claimRange(octet: number, clusterId: () => string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.resume().end(`${clusterId()}\n`)
    })
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen({ ...claimAddress(octet), exclusive: true }, () => resolve(server))
  })
}

/** Which cluster the process that has a range says to be of; undefined when it says nothing. */
function holderOf(octet: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(claimAddress(octet))
    let text = ''
    socket.setTimeout(ANSWER_MS, () => socket.destroy())
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(text.trim() === '' ? undefined : text.trim()))
  })
}

/**
 * Uses a range together with other parts of the same cluster on this machine: takes it, or finds that one of those has
 * it, and takes it as soon as that one ends. Undefined when another cluster has it.
 */
export async function shareRange(octet: number, clusterId: string): Promise<RangeClaim | undefined> {
  let server = await claimRange(octet, () => clusterId)
  if (server === undefined && (await holderOf(octet)) !== clusterId) {
    // The holder may have ended between the two questions.
    server = await claimRange(octet, () => clusterId)
    if (server === undefined) return undefined
  }
  const retry = setInterval(() => {
    if (server !== undefined) return clearInterval(retry)
    claimRange(octet, () => clusterId).then(
      (taken) => {
        if (closed) taken?.close()
        else server = taken
      },
      () => {},
    )
  }, RETRY_MS)
  retry.unref()
  let closed = false
  return {
    close() {
      closed = true
      clearInterval(retry)
      server?.close()
    },
  }
}

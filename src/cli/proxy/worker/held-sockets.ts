import { closeSync } from 'node:fs'

/** A listening socket that this process has open but takes no connections from. */
interface HeldSocket {
  readonly fd: number
  close(): void
}

/** What Node.js makes of a socket that another process sends. */
interface ReceivedHandle {
  readonly fd: number
  close(): void
}

/**
 * Listening sockets of a worker, by the names of their listeners, that its parent has open, too: so their queues outlive
 * the worker, and whoever comes in its place serves the connections that wait there. Without that the kernel would reset
 * them, since sockets that share a port have a queue each.
 */
export class HeldSockets {
  readonly #sockets = new Map<string, HeldSocket>()
  readonly #arrived = new Map<string, HeldSocket>()

  /** `inherited`: descriptors of this process that a predecessor has left. */
  constructor(inherited: Readonly<Record<string, number>> = {}) {
    for (const [name, fd] of Object.entries(inherited)) this.#sockets.set(name, { fd, close: () => closeSync(fd) })
  }

  /** Descriptors of this process. */
  descriptors(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#sockets].map(([name, { fd }]) => [name, fd]))
  }

  /** One of those that the worker has now; `settle` follows when all have come. */
  add(name: string, handle: unknown): void {
    const received = handle as ReceivedHandle | undefined
    // Closed in the meantime: it came without its socket.
    if (received !== undefined) this.#arrived.set(name, received)
  }

  /** Those that have come take the place of the others. */
  settle(): void {
    closeAll(this.#sockets)
    for (const [name, socket] of this.#arrived) this.#sockets.set(name, socket)
    this.#arrived.clear()
  }

  /** Lets go of all: connections that nobody else serves are reset. */
  close(): void {
    closeAll(this.#sockets)
    closeAll(this.#arrived)
  }
}

function closeAll(sockets: Map<string, HeldSocket>): void {
  for (const socket of sockets.values()) socket.close()
  sockets.clear()
}

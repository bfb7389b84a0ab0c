import { createServer, type Server } from 'node:net'
import type { Listener } from '../table/routing-table.ts'
import type { AcceptedHandle } from './accepted-handle.ts'
import type { OpenPort } from './open-port.ts'
import type { ServicePort } from './service-port.ts'
import { type PortTarget, type RelayContext, TcpRelay } from './tcp-relay.ts'

const BACKLOG = 4_096

interface AcceptingHandle {
  setNoDelay(enable: boolean): number
  onconnection(this: unknown, error: number, handle: AcceptedHandle | undefined): void
}

/** Serves connections that carry HTTP. */
export interface HttpAcceptor {
  /** False: the client may not be here, and the connection has been reset. */
  accept(handle: AcceptedHandle, listenerKey: string, servicePort: ServicePort): boolean
}

export interface TcpContext extends RelayContext {
  /** There before any listener has `http` set. */
  http(): HttpAcceptor
}

/**
 * Listens for TCP connections to a Service port; each is relayed, or its requests are served, as the listener says at
 * that moment. Rejects with the system's error when the port cannot
 * be bound.
 */
export function openTcpPort(listener: Listener, servicePort: ServicePort, context: TcpContext): Promise<OpenPort> {
  const target: PortTarget = { listener, servicePort }
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: listener.address, port: listener.port, backlog: BACKLOG, exclusive: true }, () => {
      server.off('error', reject)
      server.on('error', () => {})
      accept(server, (handle) => {
        if (!context.connections.admit()) handle.reset()
        else if (target.listener.http === undefined) new TcpRelay(handle, target, context)
        else if (!context.http().accept(handle, target.listener.key, target.servicePort)) context.connections.giveBack()
      })
      resolve({
        update(next, nextServicePort) {
          target.listener = next
          target.servicePort = nextServicePort
        },
        async close() {
          // Connections that are still open find nowhere else to go.
          target.listener = { ...target.listener, endpoints: [], endpointsByNode: undefined }
          server.close()
        },
      })
    })
  })
}

/**
 * Takes accepted connections below `net.Socket`: the sockets that a server makes cannot read into given memory
 * (`onread`), and making two for each connection costs a fifth of what a short connection costs in all.
 */
function accept(server: Server, onHandle: (handle: AcceptedHandle) => void): void {
  const { _handle: handle } = server as unknown as { readonly _handle: AcceptingHandle }
  // Accepted connections inherit it, which spares each a system call.
  handle.setNoDelay(true)
  handle.onconnection = (error, accepted) => {
    // Out of descriptors, or the client has gone again: the kernel keeps the others in its queue.
    if (error === 0 && accepted !== undefined) onHandle(accepted)
  }
}

import { connect, type Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'

const CONNECT_MS = 10_000

/** Connects to a port of a pod; rejects with the reason in words. */
export function connectToPod(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true })
    const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${CONNECT_MS} ms`)), CONNECT_MS)
    socket.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      resolve(socket)
    })
  })
}

/**
 * Joins a client's stream and a connection, each direction until its own end. When one side breaks off, so does the
 * other. Resolves when both are over.
 */
export function joinStreams(socket: Socket, from: Readable, to: Writable): Promise<void> {
  const breakOff = (): void => {
    from.destroy()
    to.destroy()
    socket.destroy()
  }
  socket.on('error', breakOff)
  from.on('error', breakOff)
  to.on('error', breakOff)
  from.on('close', () => {
    if (!from.readableEnded) breakOff()
  })
  from.pipe(socket)
  socket.pipe(to)
  return new Promise((resolve) => {
    socket.once('close', () => {
      if (!socket.readableEnded) breakOff()
      resolve()
    })
  })
}

/** How an attempt to reach a port of a pod failed, in the kubelet's words. */
export function forwardError(port: number, pod: string, error: unknown): string {
  return `error forwarding port ${port} to pod ${pod}: ${error instanceof Error ? error.message : String(error)}`
}

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { type Clock, type Millis, sleep } from '../../base/clock.ts'
import type { Endpoint, Listener } from '../table/routing-table.ts'
import { endpointsForClient } from './admit-client.ts'
import type { OpenPort } from './open-port.ts'
import { ACTIVE, BYTES_IN, BYTES_OUT, FAILED, OPENED, REFUSED, type ServicePort } from './service-port.ts'

export interface UdpContext {
  readonly clock: Clock
  nodeOf(client: string): string | undefined
}

/** Each takes a file descriptor; beyond this the session that has been silent longest ends. */
const SESSIONS_MAX = 1_024
const IDLE_MS = 60_000
const LOOK_MS = 5_000
/** Datagrams that wait while a session is being set up, which takes a turn of the event loop. */
const WAITING_MAX = 64

interface Session {
  readonly endpoint: Endpoint
  readonly socket: Socket
  readonly servicePort: ServicePort
  waiting: Buffer[] | undefined
  movedAt: Millis
}

/**
 * Passes datagrams on: each client address and port has a session with one endpoint and a socket of its own, which
 * answers come back through. Sessions end when idle, and at once when their endpoint may no longer be chosen, so that
 * the client's next datagram goes to another one.
 */
export function openUdpPort(
  first: Listener,
  servicePortOf: (listener: Listener) => ServicePort,
  context: UdpContext,
): Promise<OpenPort> {
  const { clock } = context
  let listener = first
  const sessions = new Map<string, Session>()
  const stop = new AbortController()
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })

  const end = (key: string, session: Session): void => {
    if (sessions.get(key) !== session) return
    sessions.delete(key)
    session.servicePort.counts[ACTIVE]! -= 1
    session.socket.close()
  }

  const begin = (key: string, client: RemoteInfo): Session | undefined => {
    const servicePort = servicePortOf(listener)
    const from = endpointsForClient(listener, client.address, context.nodeOf)
    const endpoint = servicePort.choose(listener, from, client.address, [])
    if (endpoint === undefined) {
      servicePort.counts[REFUSED]! += 1
      return undefined
    }
    if (sessions.size >= SESSIONS_MAX) end(...sessions.entries().next().value!)
    const session: Session = {
      endpoint,
      socket: createSocket('udp4'),
      servicePort,
      waiting: [],
      movedAt: clock.monotonic(),
    }
    sessions.set(key, session)
    servicePort.counts[OPENED]! += 1
    servicePort.counts[ACTIVE]! += 1
    session.socket.on('message', (message) => {
      session.movedAt = clock.monotonic()
      servicePort.counts[BYTES_OUT]! += message.length
      socket.send(message, client.port, client.address)
    })
    session.socket.on('error', () => {
      // Nobody listens at the endpoint, as the kernel has just been told.
      servicePort.counts[FAILED]! += 1
      end(key, session)
    })
    session.socket.connect(endpoint.port, endpoint.address, () => {
      for (const message of session.waiting ?? []) session.socket.send(message)
      session.waiting = undefined
    })
    return session
  }

  socket.on('message', (message, client) => {
    const key = `${client.address}:${client.port}`
    const session = sessions.get(key) ?? begin(key, client)
    if (session === undefined) return
    session.movedAt = clock.monotonic()
    session.servicePort.counts[BYTES_IN]! += message.length
    // The map stays in order of last use, so that its first entry is the one to end when there are too many.
    sessions.delete(key)
    sessions.set(key, session)
    if (session.waiting === undefined) session.socket.send(message)
    else if (session.waiting.length < WAITING_MAX) session.waiting.push(message)
  })

  const endIdle = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await sleep(clock, LOOK_MS, stop.signal)
      const now = clock.monotonic()
      for (const [key, session] of sessions) if (now - session.movedAt > IDLE_MS) end(key, session)
    }
  }

  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.bind({ address: first.address, port: first.port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      socket.on('error', () => {})
      void endIdle()
      resolve({
        update(next) {
          listener = next
          for (const [key, session] of sessions) if (!isStill(next, session)) end(key, session)
        },
        async close() {
          stop.abort()
          for (const [key, session] of sessions) end(key, session)
          socket.close()
        },
      })
    })
  })
}

function isStill(listener: Listener, { endpoint, servicePort }: Session): boolean {
  const { endpoints, endpointsByNode } = listener
  const all = endpointsByNode === undefined ? endpoints : [...endpoints, ...[...endpointsByNode.values()].flat()]
  return (
    listener.servicePort === servicePort.name &&
    all.some(({ address, port }) => address === endpoint.address && port === endpoint.port)
  )
}

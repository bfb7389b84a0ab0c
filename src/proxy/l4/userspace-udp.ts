import { createSocket, type RemoteInfo } from 'node:dgram'
import { type Clock, sleep } from '../../base/clock.ts'
import { type Endpoint, type Listener, reachable } from '../table/routing-table.ts'
import { endpointsForClient } from './admit-client.ts'
import type { DescriptorBudget } from './descriptor-budget.ts'
import { RECEIVED, SENT } from './endpoint-counts.ts'
import type { OpenPort } from './open-port.ts'
import { ACTIVE, BYTES_IN, BYTES_OUT, FAILED, OPENED, REFUSED, type ServicePort } from './service-port.ts'
import { asIs, QUEUED_BYTES_MAX, UdpSession } from './udp-session.ts'

export interface UdpContext {
  readonly clock: Clock
  readonly descriptors: DescriptorBudget
  nodeOf(client: string): string | undefined
  isOwnPort(endpoint: Endpoint): boolean
}

/** Of one port; beyond this the session that has been silent longest ends. */
const SESSIONS_MAX = 1_024
const IDLE_MS = 60_000
const LOOK_MS = 5_000
/** How many endpoints a client's first datagrams are tried on. */
const ATTEMPTS_MAX = 4

/**
 * Passes datagrams on: each client address and port has a session with one endpoint and a socket of its own, which
 * answers come back through. Sessions end when idle, and at once when their endpoint may no longer be chosen, so that
 * the client's next datagram goes to another one (kubernetes #19029).
 */
export function openUdpPort(first: Listener, firstServicePort: ServicePort, context: UdpContext): Promise<OpenPort> {
  const { clock, descriptors } = context
  let listener = first
  let servicePort = firstServicePort
  /** In order of last use. */
  const sessions = new Map<string, UdpSession>()
  const stop = new AbortController()
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20, lookup: asIs })

  const end = (key: string, session: UdpSession): void => {
    if (sessions.get(key) !== session) return
    sessions.delete(key)
    descriptors.giveBack(1)
    servicePort.counts[ACTIVE]! -= 1
    session.counts.closed()
    session.close()
  }

  const makeRoom = (): boolean => {
    if (sessions.size < SESSIONS_MAX && descriptors.take(1)) return true
    const [oldest] = sessions
    if (oldest === undefined) return false
    end(...oldest)
    return descriptors.take(1)
  }

  const begin = (
    key: string,
    client: RemoteInfo,
    failed: readonly Endpoint[],
    kept: readonly Uint8Array[],
  ): UdpSession | undefined => {
    const from = endpointsForClient(listener, client.address, context.nodeOf)
    const endpoint =
      failed.length < ATTEMPTS_MAX ? servicePort.choose(listener, from, client.address, failed) : undefined
    if (endpoint === undefined || context.isOwnPort(endpoint) || !makeRoom()) {
      servicePort.counts[REFUSED]! += 1
      return undefined
    }
    const counts = servicePort.countsOf(endpoint)
    const session: UdpSession = new UdpSession({
      endpoint,
      counts,
      source: listener.keepSource ? client.address : undefined,
      now: clock.monotonic(),
      kept,
      onMessage(message) {
        session.movedAt = clock.monotonic()
        servicePort.counts[BYTES_OUT]! += message.length
        counts.counts[SENT]! += message.length
        if (socket.getSendQueueSize() < QUEUED_BYTES_MAX) socket.send(message, client.port, client.address)
      },
      onFailure(unanswered) {
        servicePort.counts[FAILED]! += 1
        end(key, session)
        if (unanswered.length > 0) begin(key, client, [...failed, endpoint], unanswered)
      },
    })
    sessions.set(key, session)
    servicePort.counts[OPENED]! += 1
    servicePort.counts[ACTIVE]! += 1
    counts.opened()
    return session
  }

  socket.on('message', (message, client) => {
    const key = `${client.address}:${client.port}`
    const session = sessions.get(key) ?? begin(key, client, [], [])
    if (session === undefined) return
    session.movedAt = clock.monotonic()
    servicePort.counts[BYTES_IN]! += message.length
    session.counts.counts[RECEIVED]! += message.length
    sessions.delete(key)
    sessions.set(key, session)
    session.send(message)
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
        update(next, nextServicePort) {
          const isOther = nextServicePort !== servicePort
          const chosen = new Set([...reachable(next)].map(({ address, port }) => `${address}:${port}`))
          for (const [key, session] of sessions)
            if (isOther || !chosen.has(`${session.endpoint.address}:${session.endpoint.port}`)) end(key, session)
          listener = next
          servicePort = nextServicePort
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

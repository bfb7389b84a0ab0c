import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Service, ServicePort } from '../../../src/api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../../src/api/types/discovery-v1.gen.ts'
import { addressLayout } from '../../../src/base/address-layout.ts'
import { systemClock } from '../../../src/base/clock.ts'
import type { Binding } from '../../../src/proxy/l4/port-binding.ts'
import { UserspaceDataplane } from '../../../src/proxy/l4/userspace-dataplane.ts'
import {
  EMPTY_TABLE,
  type Endpoint,
  type Listener,
  listenerKey,
  type RoutingTable,
} from '../../../src/proxy/table/routing-table.ts'
import { tableContext } from '../../../src/proxy/table/table-context.ts'

/** A range of its own for these tests, that `wherry up` never takes. */
export const LAYOUT = addressLayout(127, 'test', 2)
export const CONTEXT = tableContext(LAYOUT, { address: '127.0.0.1', port: 6443 })
export const POD = (i: number, node = 1): string => `127.127.${128 + node}.${i}`

export interface EndpointSpec {
  readonly address: string
  readonly node?: string
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
}

export function service(
  name: string,
  spec: Partial<NonNullable<Service['spec']>> = {},
  more: Partial<Service> = {},
): Service {
  return {
    metadata: { namespace: 'shop', name, uid: `uid-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      type: 'ClusterIP',
      clusterIP: '127.127.16.5',
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      ...spec,
    },
    ...more,
  }
}

export function slice(
  serviceName: string,
  endpoints: readonly EndpointSpec[],
  ports: readonly Partial<ServicePort>[] = [{ name: 'http', port: 8080 }],
  suffix = 'a',
): EndpointSlice {
  return {
    metadata: {
      namespace: 'shop',
      name: `${serviceName}-${suffix}`,
      labels: { 'kubernetes.io/service-name': serviceName },
    },
    addressType: 'IPv4',
    ports: ports.map(({ name, port, protocol = 'TCP' }) => ({ name, port, protocol })),
    endpoints: endpoints.map(({ address, node, ...conditions }) => ({
      addresses: [address],
      conditions,
      ...(node === undefined ? {} : { nodeName: node }),
    })),
  }
}

/** A table of one listener. */
export function tableOf(...listeners: readonly Listener[]): RoutingTable {
  return { ...EMPTY_TABLE, listeners: new Map(listeners.map((listener) => [listener.key, listener])) }
}

export function listenerOf(port: number, endpoints: readonly Endpoint[], more: Partial<Listener> = {}): Listener {
  const { address = '127.127.16.5', protocol = 'TCP' } = more
  return {
    key: listenerKey(protocol, address, port),
    protocol,
    address,
    port,
    kind: 'ClusterIP',
    service: 'shop/cart',
    servicePort: 'shop/cart:http',
    endpoints,
    endpointsByNode: undefined,
    sourceRanges: undefined,
    affinityMs: undefined,
    keepSource: false,
    rank: '',
    ...more,
  }
}

export interface TestDataplane {
  readonly dataplane: UserspaceDataplane
  readonly bindings: readonly Binding[]
  /** Goes to a table of these listeners. */
  go(...listeners: readonly Listener[]): Promise<void>
}

export function startDataplane(connectionsMax = 10_000): TestDataplane {
  const bindings: Binding[] = []
  const dataplane = new UserspaceDataplane({
    clock: systemClock,
    random: () => 0,
    connectionsMax,
    nodeOf: () => undefined,
    onBinding: (binding) => void bindings.push(binding),
  })
  let table = EMPTY_TABLE
  return {
    dataplane,
    bindings,
    async go(...listeners) {
      const previous = table
      table = tableOf(...listeners)
      await dataplane.apply(previous, table)
    },
  }
}

/** A port that was free a moment ago. */
export async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export interface Backend {
  readonly endpoint: Endpoint
  readonly server: Server
  readonly sockets: readonly Socket[]
  close(): void
}

/** A server that a test plays an endpoint with. */
export async function backend(onSocket: (socket: Socket) => void, address = POD(1)): Promise<Backend> {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, address)
  await once(server, 'listening')
  return {
    endpoint: { address, port: (server.address() as AddressInfo).port, nodeName: undefined },
    server,
    sockets,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Answers with its name and ends. */
export function naming(name: string): (socket: Socket) => void {
  return (socket) => void socket.end(name)
}

export async function dial(port: number, address = '127.127.16.5'): Promise<Socket> {
  const socket = connect({ host: address, port, allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

/** Everything until the other side ends; rejects when it resets. */
export async function readAll(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

/** Connects, reads the answer, and closes. */
export async function ask(port: number, address?: string): Promise<string> {
  const socket = await dial(port, address)
  const text = await readAll(socket)
  socket.end()
  return text
}

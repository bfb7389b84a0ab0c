import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket, type TcpSocketConnectOpts } from 'node:net'
import type { TestContext } from 'node:test'
import type { Service, ServicePort } from '../../../src/api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../../src/api/types/discovery-v1.gen.ts'
import { addressLayout } from '../../../src/base/address-layout.ts'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import type { Binding } from '../../../src/proxy/l4/port-binding.ts'
import { UserspaceDataplane } from '../../../src/proxy/l4/userspace-dataplane.ts'
import {
  EMPTY_TABLE,
  type Endpoint,
  type Listener,
  listenerKey,
  type RoutingTable,
  reachable,
} from '../../../src/proxy/table/routing-table.ts'
import { nodeOfClient, tableContext } from '../../../src/proxy/table/table-context.ts'
import { updateRoutingTable } from '../../../src/proxy/table/update-routing-table.ts'
import { eventually } from '../../harness/eventually.ts'

/** A range of its own for these tests, that `wherry up` never takes. */
export const LAYOUT = addressLayout(127, 'test', 2)
export const CONTEXT = tableContext(LAYOUT)
/** A ClusterIP. */
export const IP = '127.127.16.5'
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

/** A table of these listeners, in which the pods at these addresses are ending. */
export function tableOf(listeners: readonly Listener[], ending: readonly string[] = []): RoutingTable {
  const chosen = new Set(listeners.flatMap((listener) => [...reachable(listener)].map(({ address }) => address)))
  const addresses = [...new Set([...chosen, ...ending])].map((address) => ({
    address,
    isChosen: chosen.has(address),
    isTerminating: ending.includes(address),
  }))
  return updateRoutingTable(
    EMPTY_TABLE,
    new Map([['shop/cart', { listeners, addresses, refusals: [], healthCheck: undefined }]]),
  )
}

export function listenerOf(port: number, endpoints: readonly Endpoint[], more: Partial<Listener> = {}): Listener {
  const { address = IP, protocol = 'TCP' } = more
  return {
    key: listenerKey(protocol, address, port),
    protocol,
    address,
    port,
    kind: 'ClusterIP',
    service: 'shop/cart',
    servicePort: 'shop/cart:http',
    endpoints,
    localTo: undefined,
    endpointsByNode: undefined,
    sourceRanges: undefined,
    affinityMs: undefined,
    keepSource: false,
    http: undefined,
    rank: '',
    ...more,
  }
}

/** A server that a test plays an endpoint with. */
export interface Backend {
  readonly endpoint: Endpoint
  readonly server: Server
  readonly sockets: readonly Socket[]
  close(): void
}

export interface Lab {
  readonly dataplane: UserspaceDataplane
  readonly bindings: readonly Binding[]
  /** Free a moment ago on `IP`. */
  readonly port: number
  /** Goes to a table of these listeners. */
  go(listeners: readonly Listener[], ending?: readonly string[]): Promise<void>
  backend(onSocket: (socket: Socket) => void, address?: string): Promise<Backend>
  /** Backends that answer with their name and end. */
  named(...names: readonly string[]): Promise<readonly Endpoint[]>
  /** An address and port where nobody listens. */
  nobody(address: string): Promise<Endpoint>
  dial(options?: Partial<TcpSocketConnectOpts>): Promise<Socket>
  /** Connects, reads the answer, and closes. */
  ask(port?: number): Promise<string>
  counts(): Float64Array
}

/** A data plane, and servers and clients around it, all of which are gone after the test however it ends. */
export async function startLab(
  t: TestContext,
  { clock = systemClock, connectionsMax = 10_000 }: { readonly clock?: Clock; readonly connectionsMax?: number } = {},
): Promise<Lab> {
  const bindings: Binding[] = []
  const backends: Backend[] = []
  const clients: Socket[] = []
  const dataplane = new UserspaceDataplane({
    clock,
    random: () => 0,
    connectionsMax,
    nodeOf: (address) => nodeOfClient(CONTEXT, address),
    onBinding: (binding) => void bindings.push(binding),
  })
  t.after(async () => {
    for (const client of clients) client.destroy()
    for (const backend of backends) backend.close()
    await dataplane.close()
  })
  const port = await freePort(IP)
  let table = EMPTY_TABLE
  const lab: Lab = {
    dataplane,
    bindings,
    port,
    async go(listeners, ending) {
      const previous = table
      table = tableOf(listeners, ending)
      await dataplane.prepare(table, ['shop/cart'])
      await dataplane.apply(previous, table)
    },
    async backend(onSocket, address = POD(1)) {
      const sockets: Socket[] = []
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.push(socket)
        socket.on('error', () => {})
        onSocket(socket)
      })
      server.listen(0, address)
      await once(server, 'listening')
      const backend: Backend = {
        endpoint: { address, port: (server.address() as AddressInfo).port, nodeName: undefined },
        server,
        sockets,
        close() {
          server.close()
          for (const socket of sockets) socket.destroy()
        },
      }
      backends.push(backend)
      return backend
    },
    named: (...names) =>
      Promise.all(
        names.map(async (name, i) => (await lab.backend((socket) => void socket.end(name), POD(i + 1))).endpoint),
      ),
    nobody: async (address) => ({ address, port: await freePort(address), nodeName: undefined }),
    async dial(options = {}) {
      const socket = connect({ host: IP, port, allowHalfOpen: true, ...options })
      clients.push(socket)
      socket.on('error', () => {})
      await once(socket, 'connect')
      return socket
    },
    async ask(to = port) {
      const socket = connect({ host: IP, port: to, allowHalfOpen: true })
      clients.push(socket)
      const text = await readAll(socket)
      socket.end()
      return text
    },
    counts: () => [...dataplane.servicePorts()][0]!.counts,
  }
  return lab
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

/** Everything until the other side ends; rejects when it resets. */
export async function readAll(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

/** Resolves once it holds. */
export function until(holds: () => boolean, what: string): Promise<true> {
  return eventually(() => (holds() ? true : undefined), 10_000, what)
}

/** Resolves with the value once it has stayed the same for a while. */
export async function settled(value: () => number): Promise<number> {
  let last = Number.NaN
  let same = 0
  return eventually(() => {
    same = value() === last ? same + 1 : 0
    last = value()
    return same >= 5 ? last : undefined
  }, 10_000)
}

const STUCK = `require('net').createServer().listen({ port: 0, host: process.argv[1], backlog: 1 }, function () {
  console.log(this.address().port)
})`

/** A server that has stopped and whose queue is full: the kernel leaves connections to it without an answer. */
export async function stuckEndpoint(t: TestContext, address: string): Promise<Endpoint> {
  const child = spawn(process.execPath, ['-e', STUCK, address], { stdio: ['ignore', 'pipe', 'inherit'] })
  const waiting: Socket[] = []
  t.after(() => {
    for (const socket of waiting) socket.destroy()
    child.kill('SIGKILL')
  })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const port = Number(line)
  child.kill('SIGSTOP')
  let isFull = false
  while (!isFull) {
    const socket = connect(port, address).on('error', () => {})
    waiting.push(socket)
    isFull = await Promise.race([
      once(socket, 'connect').then(() => false),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 200)),
    ])
  }
  return { address, port, nodeName: undefined }
}

/** The parts of bench/l4.bench.ts that run as processes of their own, so that their CPU time can be told apart. */
import { createServer } from 'node:net'
import { systemClock } from '../src/base/clock.ts'
import { UserspaceDataplane } from '../src/proxy/l4/userspace-dataplane.ts'
import { EMPTY_TABLE, type Listener, listenerKey } from '../src/proxy/table/routing-table.ts'

export const LARGE_BYTES = 16 * 2 ** 20
const SMALL_BYTES = 100

function answer(bytes: number, closing: boolean): Buffer {
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n${closing ? 'Connection: close\r\n' : ''}\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, 'x')])
}

/** Answers `/large` and everything else with constant bytes, without reading more of a request than it must. */
export function runBackend(address: string, port: number): void {
  const large = answer(LARGE_BYTES, false)
  const small = answer(SMALL_BYTES, false)
  const last = answer(SMALL_BYTES, true)
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      // One request at a time and connection, in one piece: what wrk sends.
      if (chunk[5] === 0x6c) socket.write(large)
      else if (chunk[5] === 0x63) socket.end(last)
      else socket.write(small)
    })
  })
  server.listen({ host: address, port, backlog: 4_096 }, () => process.stdout.write('ready\n'))
}

/** The user-space data plane with one Service port and one endpoint. */
export async function runRelay(address: string, port: number, endpoint: string, endpointPort: number): Promise<void> {
  const dataplane = new UserspaceDataplane({
    clock: systemClock,
    random: () => 0,
    connectionsMax: 4_096,
    nodeOf: () => undefined,
    onBinding: ({ binding }) => {
      if (binding.state === 'failed') throw new Error(binding.message)
    },
  })
  const listener: Listener = {
    key: listenerKey('TCP', address, port),
    protocol: 'TCP',
    address,
    port,
    kind: 'ClusterIP',
    service: 'bench/backend',
    servicePort: 'bench/backend:',
    endpoints: [{ address: endpoint, port: endpointPort, nodeName: undefined }],
    localTo: undefined,
    endpointsByNode: undefined,
    sourceRanges: undefined,
    affinityMs: undefined,
    keepSource: false,
    http: undefined,
    rank: '',
  }
  const listeners = EMPTY_TABLE.listeners.set(listener.key, listener)
  await dataplane.apply(EMPTY_TABLE, { ...EMPTY_TABLE, listeners })
  process.stdout.write('ready\n')
}

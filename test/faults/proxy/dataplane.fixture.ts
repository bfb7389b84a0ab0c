/**
 * A data plane with one TCP port in a process of its own, for tests that take away what a process needs:
 * `ADDRESS:PORT ENDPOINT:PORT CONNECTIONS_MAX [UID]`. Prints `STATE MESSAGE` whenever the port's binding changes.
 */
import { systemClock } from '../../../src/base/clock.ts'
import { UserspaceDataplane } from '../../../src/proxy/l4/userspace-dataplane.ts'
import { EMPTY_TABLE } from '../../../src/proxy/table/routing-table.ts'
import { listenerOf } from '../../unit/proxy/proxy-fixture.ts'

const [at = '', to = '', connectionsMax, uid] = process.argv.slice(2)
const [address = '', port] = at.split(':')
const [endpoint = '', endpointPort] = to.split(':')
if (uid !== undefined) process.setuid!(Number(uid))
const dataplane = new UserspaceDataplane({
  clock: systemClock,
  random: Math.random,
  connectionsMax: Number(connectionsMax),
  nodeOf: () => undefined,
  onBinding: ({ binding }) =>
    process.stdout.write(`${binding.state} ${binding.state === 'failed' ? binding.message : ''}\n`),
})
const endpoints = [{ address: endpoint, port: Number(endpointPort), nodeName: undefined }]
const listener = listenerOf(Number(port), endpoints, { address })
await dataplane.apply(EMPTY_TABLE, { ...EMPTY_TABLE, listeners: EMPTY_TABLE.listeners.set(listener.key, listener) })

import type { Accept } from './accept-http.ts'
import type { Client } from './client.ts'
import type { EngineContext } from './engine-context.ts'
import { PassthroughConnection, type PassthroughSettings } from './passthrough-connection.ts'
import { ProxyHeaderGate } from './proxy-header-gate.ts'

/** What a listener does with a connection whose TLS is to end elsewhere; see `acceptHttp`. */
export function acceptPassthrough(
  context: EngineContext,
  settings: PassthroughSettings,
  clients: Set<Client>,
  hasHeader: boolean,
): Accept {
  if (!hasHeader) return (handle) => clients.add(new PassthroughConnection(context, settings, handle, undefined))
  return (handle) => {
    const gate = new ProxyHeaderGate(context, handle, {
      passed(wire, ends, rest) {
        const client = new PassthroughConnection(context, settings, wire, ends)
        clients.add(client)
        return rest.length === 0 || client.onBytes(rest.length, rest)
      },
      refused: settings.countError,
      left: (left) => clients.delete(left),
    })
    clients.add(gate)
  }
}

import { createServer, type Server } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { PersistentMap } from '../table/persistent-map.ts'
import type { HealthCheck, RoutingTable } from '../table/routing-table.ts'
import { healthCheckAnswer } from './health-check-answer.ts'

export interface HealthCheckPortsOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
}

const RETRY_MS = 5_000
const CONNECTIONS_MAX = 32

interface Port {
  check: HealthCheck
  readonly servers: Set<Server>
  readonly retries: Set<Timer>
}

/** Serves `healthCheckNodePort` on every node's address. A port that is taken is tried again for as long as it is wanted. */
export class HealthCheckPorts {
  readonly #options: HealthCheckPortsOptions
  readonly #ports = new Map<string, Port>()

  constructor(options: HealthCheckPortsOptions) {
    this.#options = options
  }

  apply(previous: RoutingTable, next: RoutingTable): void {
    for (const { key, before, after } of PersistentMap.differences(previous.services, next.services)) {
      if (isDeepStrictEqual(before?.healthCheck, after?.healthCheck)) continue
      const port = this.#ports.get(key)
      const check = after?.healthCheck
      if (port !== undefined && check?.port === port.check.port) port.check = check
      else {
        if (port !== undefined) this.#close(key, port)
        if (check !== undefined) this.#open(key, check)
      }
    }
  }

  close(): void {
    for (const [key, port] of this.#ports) this.#close(key, port)
  }

  #open(key: string, check: HealthCheck): void {
    const port: Port = { check, servers: new Set(), retries: new Set() }
    this.#ports.set(key, port)
    for (const node of this.#options.nodes) this.#listen(port, node.name, node.address)
  }

  #listen(port: Port, node: string, address: string): void {
    const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, (_request, response) => {
      const { service, endpointsByNode } = port.check
      const { status, headers, body } = healthCheckAnswer(service, endpointsByNode.get(node) ?? 0)
      response.writeHead(status, headers).end(body)
    })
    server.maxConnections = CONNECTIONS_MAX
    server.on('error', (error) => {
      if (!port.servers.delete(server)) return
      const { logger, clock } = this.#options
      const { service, port: number } = port.check
      logger.warn(
        { err: error, service, address, port: number },
        'a health check port cannot be listened on; trying again',
      )
      const retry = clock.setTimer(RETRY_MS, () => {
        port.retries.delete(retry)
        this.#listen(port, node, address)
      })
      port.retries.add(retry)
    })
    port.servers.add(server)
    server.listen({ host: address, port: port.check.port, exclusive: true })
  }

  #close(key: string, port: Port): void {
    this.#ports.delete(key)
    for (const retry of port.retries) retry.cancel()
    for (const server of port.servers) {
      server.close()
      server.closeAllConnections()
    }
    port.servers.clear()
  }
}

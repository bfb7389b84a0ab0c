import { silentLogger } from '../../base/logger.ts'
import type { Balancer } from '../../proxy/balance/balancer.ts'
import type { Engine } from '../../proxy/l7/engine/engine.ts'
import { UserError } from '../user-error.ts'
import { type AddressAndPort, formatAddress, parseAddress } from './parse-address.ts'

export interface ProxyCommandOptions {
  /** `address:port`, see `parse-address.ts`. */
  readonly listen: string
  /** Such addresses, separated by commas. */
  readonly to: string
  /** Where metrics and status are served; undefined: nowhere. */
  readonly admin?: string
  /** One of the names in `src/proxy/balance/algorithms.ts`. */
  readonly balance?: string
  /** Seconds. */
  readonly drain: number
}

/** `wherry proxy`: a plain HTTP load balancer in this process, until a signal ends it. Resolves when it has ended. */
export async function runProxy(options: ProxyCommandOptions): Promise<void> {
  const listen = addressIn('--listen', options.listen)
  const endpoints = options.to.split(',').map((text) => {
    const { host, port } = addressIn('--to', text.trim())
    if (port === 0) throw new UserError(`--to: "${text}" has no port.`)
    return { address: host, port }
  })
  const names = endpoints.map(({ address, port }) => formatAddress({ host: address, port }))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new UserError(`--to: ${twice} is there twice.`)
  const admin = options.admin === undefined ? undefined : addressIn('--admin', options.admin)

  const { startHttpProxy } = await import('../../proxy/l7/standalone.ts')
  const createBalancer = await balancerNamed(options.balance)
  const proxy = await startHttpProxy({ listen, endpoints, upstream: { createBalancer } }).catch(
    (error: NodeJS.ErrnoException) => {
      throw cannotListen(listen, error)
    },
  )
  const { engine } = proxy
  const server =
    admin === undefined
      ? undefined
      : await startAdmin(admin, engine).catch(async (error: unknown) => {
          await proxy.close()
          throw cannotListen(admin, error as NodeJS.ErrnoException)
        })
  process.stdout.write(
    `listening on http://${formatAddress({ ...listen, port: proxy.port })}, sending to ${names.join(', ')}\n`,
  )
  if (server !== undefined) {
    process.stdout.write(`metrics on http://${formatAddress({ host: admin!.host, port: server.port })}/metrics\n`)
  }
  await untilSignal()
  process.stdout.write(`ending; requests under way have ${options.drain} s (a second signal ends at once)\n`)
  const atOnce = untilSignal().then(() => engine.destroy())
  await Promise.race([proxy.close(options.drain * 1_000), atOnce])
  await server?.close()
}

async function balancerNamed(name: string | undefined): Promise<() => Balancer> {
  const { ALGORITHMS, DEFAULT_ALGORITHM } = await import('../../proxy/balance/algorithms.ts')
  const algorithms: Readonly<Record<string, (random: () => number) => Balancer>> = ALGORITHMS
  const wanted = name ?? DEFAULT_ALGORITHM
  if (!Object.hasOwn(algorithms, wanted)) {
    throw new UserError(`--balance: there is no "${wanted}".`, `There are ${Object.keys(algorithms).join(', ')}.`)
  }
  return () => algorithms[wanted]!(Math.random)
}

function addressIn(flag: string, text: string): AddressAndPort {
  const address = parseAddress(text)
  if (address !== undefined) return address
  throw new UserError(`${flag}: "${text}" is no address and port.`, 'Write it like 127.0.0.1:8080 or [::1]:8080.')
}

function cannotListen(address: AddressAndPort, error: NodeJS.ErrnoException): UserError {
  const where = formatAddress(address)
  if (error.code === 'EADDRINUSE') {
    return new UserError(`${where} is taken by another program.`, 'Choose another port, or 0 for a free one.', {
      cause: error,
    })
  }
  if (error.code === 'EACCES') {
    return new UserError(`This user may not listen on ${where}.`, 'Choose a port from 1024 up.', { cause: error })
  }
  if (error.code === 'EADDRNOTAVAIL')
    return new UserError(`${address.host} is no address of this machine.`, undefined, { cause: error })
  return new UserError(`Cannot listen on ${where}: ${error.message}`, undefined, { cause: error })
}

async function startAdmin(
  { host, port }: AddressAndPort,
  engine: Engine,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const [{ startAdminServer }, { registerHttpMetrics }, { Registry }] = await Promise.all([
    import('../../proxy/metrics/admin-server.ts'),
    import('../../proxy/l7/metrics/http-metrics.ts'),
    import('prom-client'),
  ])
  const registry = new Registry()
  registerHttpMetrics(registry, engine)
  return startAdminServer({
    host,
    port,
    logger: silentLogger,
    metrics: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
    status: () => engine.status(),
  })
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      resolve()
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}

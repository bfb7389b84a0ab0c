import { randomBytes } from 'node:crypto'
import { silentLogger } from '../../base/logger.ts'
import type { ListenerConfig, ProxyConfig } from '../../proxy/l7/config/proxy-config.ts'
import type { AdminServer } from '../../proxy/metrics/admin-server.ts'
import { UserError } from '../user-error.ts'
import { addressIn, flagConfig } from './flag-config.ts'
import { reportReady, startSuccessor, takeHandover } from './handover.ts'
import { listenError } from './listen-error.ts'
import { checkConfigFiles, loadConfig } from './load-config.ts'
import { formatAddress } from './parse-address.ts'
import { watchFile } from './watch-file.ts'
import { canReusePort } from './worker/reuse-port.ts'
import type { WorkerPool } from './worker/worker-pool.ts'

export interface ProxyCommandOptions {
  /** A file such as examples/routes.yaml; else `listen` and `to`. */
  readonly config?: string
  /** Only says whether `config` is right. */
  readonly check?: boolean
  /** `address:port`, see `parse-address.ts`. */
  readonly listen?: string
  /** Such addresses, separated by commas. */
  readonly to?: string
  /** Where metrics and status are served; undefined: nowhere. */
  readonly admin?: string
  /** One of the names in `src/proxy/balance/algorithms.ts`. */
  readonly balance?: string
  /** A file, or `-`. */
  readonly accessLog?: string
  readonly workers: number
  /** Seconds. */
  readonly drain: number
}

/** `wherry proxy`: an HTTP load balancer until a signal ends it. Resolves when it has ended. */
export async function runProxy(options: ProxyCommandOptions): Promise<void> {
  const config = await initialConfig(options)
  if (options.check === true) {
    await checkConfigFiles(options.config!, config)
    process.stdout.write(`${options.config} is right: ${summary(config)}\n`)
    return
  }
  const admin = options.admin === undefined ? undefined : addressIn('--admin', options.admin)
  const { WorkerPool } = await import('./worker/worker-pool.ts')
  const handover = takeHandover(process.env)
  const secret = handover?.secret ?? randomBytes(32).toString('base64url')
  const pool = new WorkerPool({
    workers: options.workers,
    reusePort: canReusePort(process.versions.node, process.platform),
    secret,
    onMessage: say,
    ...(handover === undefined ? {} : { handover }),
  })
  let server: AdminServer | undefined
  try {
    await pool.apply(config)
    if (admin !== undefined) server = await startAdmin(admin, pool)
  } catch (error) {
    await pool.drain(0)
    throw listenError(error as NodeJS.ErrnoException)
  }
  for (const { name, host, tls } of config.listeners) {
    process.stdout.write(`listening on ${schemeOf(tls)}://${formatAddress({ host, port: pool.ports[name]! })}\n`)
  }
  process.stdout.write(`${summary(config)}\n`)
  if (server !== undefined) {
    process.stdout.write(`metrics on http://${formatAddress({ host: admin!.host, port: server.port })}/metrics\n`)
  }
  if (options.config !== undefined || options.accessLog !== undefined) {
    process.on('SIGHUP', () => void pool.reopenLogs())
  }
  const unwatch = options.config === undefined ? () => {} : followConfig(options.config, pool)
  reportReady()
  const stopped = untilSignal()
  const upgrades = { pool, secret, closeAdmin: async () => server?.close() }
  const reopenAdmin = async (): Promise<void> => {
    if (admin !== undefined) server = await startAdmin({ host: admin.host, port: server?.port ?? admin.port }, pool)
  }
  await Promise.race([stopped, untilReplaced(upgrades, reopenAdmin)])
  unwatch()
  process.stdout.write(`ending; requests under way have ${options.drain} s (a second signal ends at once)\n`)
  void untilSignal().then(() => pool.destroy())
  await pool.drain(options.drain * 1_000)
  await server?.close()
  stopWaiting()
}

/** On SIGUSR2 another process takes the place of this one. Resolves when it has; if it cannot, all stays as it is. */
function untilReplaced(
  { pool, secret, closeAdmin }: { readonly pool: WorkerPool; readonly secret: string; closeAdmin(): Promise<unknown> },
  reopenAdmin: () => Promise<void>,
): Promise<void> {
  return new Promise((resolve) => {
    let isUnderWay = false
    process.on('SIGUSR2', async () => {
      if (isUnderWay) return
      isUnderWay = true
      try {
        // Its address is not shared.
        await closeAdmin()
        const pid = await startSuccessor({ sockets: pool.sockets, ports: pool.ports, secret })
        say(`process ${pid} has taken over`)
        resolve()
      } catch (error) {
        say(`the upgrade failed, this process goes on: ${(error as Error).message}`)
        await reopenAdmin().catch((reason: Error) => say(`the admin address is closed: ${reason.message}`))
        isUnderWay = false
      }
    })
  })
}

async function initialConfig(options: ProxyCommandOptions): Promise<ProxyConfig> {
  const { config, listen, to, balance, accessLog, check } = options
  if (config === undefined) {
    if (check === true) throw new UserError('--check needs --config.')
    if (listen === undefined || to === undefined) {
      throw new UserError('Either --config or both --listen and --to must be given.', 'See wherry proxy --help.')
    }
    return flagConfig({
      listen,
      to,
      ...(balance === undefined ? {} : { balance }),
      ...(accessLog === undefined ? {} : { accessLog }),
    })
  }
  const given = { '--listen': listen, '--to': to, '--balance': balance, '--access-log': accessLog }
  for (const [flag, value] of Object.entries(given)) {
    if (value !== undefined) throw new UserError(`${flag} does not go with --config: the file says it.`)
  }
  return loadConfig(config)
}

/** Takes over what the file says whenever it changes, and on SIGHUP. What is wrong is told, and changes nothing. */
function followConfig(file: string, pool: WorkerPool): () => void {
  const reload = async (): Promise<void> => {
    try {
      const config = await loadConfig(file)
      await pool.apply(config)
      say(`configuration ${pool.version} holds: ${summary(config)}`)
    } catch (error) {
      const { message } = error instanceof UserError ? error : listenError(error as NodeJS.ErrnoException)
      say(`the configuration stays as it was: ${message}`)
    }
  }
  const unwatch = watchFile(
    file,
    () => void reload(),
    (error) => say(`${file} is not watched any more, SIGHUP reads it: ${error.message}`),
  )
  const onHangUp = (): void => void reload()
  process.on('SIGHUP', onHangUp)
  return () => {
    unwatch()
    process.off('SIGHUP', onHangUp)
  }
}

function summary({ listeners, routes, backends }: ProxyConfig): string {
  const endpoints = backends.reduce((sum, backend) => sum + backend.endpoints.length, 0)
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
  return `${count(listeners.length, 'listener')}, ${count(routes.length, 'route')}, ${count(backends.length, 'backend')} with ${count(endpoints, 'endpoint')}`
}

function schemeOf(tls: ListenerConfig['tls']): string {
  return tls === undefined ? 'http' : tls === 'passthrough' ? 'tls' : 'https'
}

function say(message: string): void {
  process.stderr.write(`wherry proxy: ${message}\n`)
}

async function startAdmin(
  { host, port }: { readonly host: string; readonly port: number },
  pool: WorkerPool,
): Promise<AdminServer> {
  const { startAdminServer } = await import('../../proxy/metrics/admin-server.ts')
  return startAdminServer({
    host,
    port,
    logger: silentLogger,
    metrics: () => pool.metrics(),
    status: () => pool.status(),
    tap: (write) => pool.tap(write),
  })
}

let stopWaiting = (): void => {}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    stopWaiting = (): void => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    }
    const onSignal = (): void => {
      stopWaiting()
      resolve()
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}

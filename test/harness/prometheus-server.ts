import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { eventually } from './eventually.ts'

/** Why tests with a real Prometheus cannot run here; undefined when they can. */
export const PROMETHEUS_MISSING: string | undefined =
  spawnSync('prometheus', ['--version']).status === 0 && spawnSync('promtool', ['--version']).status === 0
    ? undefined
    : 'needs prometheus and promtool (Debian package prometheus)'

/** Why a second reader of Prometheus' configurations cannot run here: one that follows the Kubernetes API with code of its own. */
export const VICTORIA_METRICS_MISSING: string | undefined =
  spawnSync('victoria-metrics', ['--version']).status === 0
    ? undefined
    : 'needs victoria-metrics (Debian package victoria-metrics)'

export interface PrometheusTarget {
  readonly health: 'up' | 'down' | 'unknown'
  readonly lastError: string
  readonly scrapeUrl: string
  readonly labels: Readonly<Record<string, string>>
  readonly discoveredLabels: Readonly<Record<string, string>>
}

export interface PrometheusSample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [time: number, value: string]
}

export interface PrometheusServer {
  /** What it scrapes now, after relabelling. */
  targets(): Promise<readonly PrometheusTarget[]>
  /** What an instant query gives. Rejects with Prometheus' own words when the expression is wrong. */
  query(expression: string): Promise<readonly PrometheusSample[]>
  log(): string
  close(): Promise<void>
}

/** promtool's verdict on a configuration: what it says, empty when all is well. */
export function checkConfig(file: string): string {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', file], { encoding: 'utf8' })
  return status === 0 ? '' : `${stdout}${stderr}`
}

async function freePort(): Promise<number> {
  const server = createServer().listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

interface Program {
  readonly command: string
  words(configFile: string, data: string, address: string): readonly string[]
  readonly readyPath: string
}

const PROMETHEUS: Program = {
  command: 'prometheus',
  words: (configFile, data, address) =>
    [
      ['--config.file', configFile, '--storage.tsdb.path', data],
      ['--web.listen-address', address, '--log.level', 'warn'],
    ].flat(),
  readyPath: '/-/ready',
}

const VICTORIA_METRICS: Program = {
  command: 'victoria-metrics',
  words: (configFile, data, address) => [
    `-promscrape.config=${configFile}`,
    '-promscrape.config.strictParse=true',
    `-storageDataPath=${data}`,
    `-httpListenAddr=${address}`,
    '-promscrape.kubernetesSDCheckInterval=3s',
    '-search.latencyOffset=1s',
    '-loggerLevel=WARN',
  ],
  readyPath: '/health',
}

/** Starts a Prometheus on loopback with this configuration and a store of its own; it ends with the test's process at the latest. */
export function startPrometheus(configFile: string): Promise<PrometheusServer> {
  return start(PROMETHEUS, configFile)
}

/** The same with VictoriaMetrics, which reads the same configurations and answers the same questions. */
export function startVictoriaMetrics(configFile: string): Promise<PrometheusServer> {
  return start(VICTORIA_METRICS, configFile)
}

async function start(program: Program, configFile: string): Promise<PrometheusServer> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-prometheus-'))
  const address = `127.0.0.1:${await freePort()}`
  const url = `http://${address}`
  const logFile = join(directory, 'log')
  const log = openSync(logFile, 'a')
  const child: ChildProcess = spawn(program.command, program.words(configFile, join(directory, 'data'), address), {
    // VictoriaMetrics takes a relative path to a kubeconfig from here, Prometheus from where the configuration stands.
    cwd: dirname(configFile),
    stdio: ['ignore', log, log],
  })
  const end = (): void => {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', end)
  const ask = async <T>(path: string): Promise<T> => {
    const answer = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(5_000) })
    const body = (await answer.json()) as { readonly status: string; readonly error?: string; readonly data: T }
    if (body.status !== 'success') throw new Error(`${program.command}: ${body.error}`)
    return body.data
  }
  const server: PrometheusServer = {
    targets: async () =>
      (await ask<{ readonly activeTargets: readonly PrometheusTarget[] }>('/api/v1/targets?state=active'))
        .activeTargets,
    query: async (expression) =>
      (
        await ask<{ readonly result: readonly PrometheusSample[] }>(
          `/api/v1/query?query=${encodeURIComponent(expression)}`,
        )
      ).result,
    log: () => readFileSync(logFile, 'utf8'),
    async close() {
      process.removeListener('exit', end)
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, 'exit')
        child.kill('SIGKILL')
        await exit
      }
      rmSync(directory, { recursive: true, force: true })
    },
  }
  try {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`${program.command} ended: ${server.log().slice(-2_000)}`)
      return (await fetch(`${url}${program.readyPath}`, { signal: AbortSignal.timeout(1_000) })).ok ? true : undefined
    }, 20_000)
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

/** Why tests on a real etcd cannot run here; undefined when they can. */
export const ETCD_MISSING: string | undefined =
  spawnSync('etcd', ['--version']).status === 0 ? undefined : 'needs etcd (Debian package etcd-server)'

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen({ host: '127.0.0.1', port: 0 })
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { readonly port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** One etcd process on loopback that can be killed, stopped and started again on what it has stored. */
export class EtcdMember {
  readonly endpoint: string
  readonly #words: readonly string[]
  readonly #directory: string
  #child: ChildProcess | undefined

  constructor(endpoint: string, words: readonly string[], directory: string) {
    this.endpoint = endpoint
    this.#words = words
    this.#directory = directory
  }

  start(): void {
    const log = openSync(join(this.#directory, 'log'), 'a')
    this.#child = spawn('etcd', this.#words, { stdio: ['ignore', log, log] })
  }

  async ready(): Promise<void> {
    await eventually(async () => {
      if (this.#child?.exitCode !== null) throw new Error(`etcd ended: ${this.log().slice(-2_000)}`)
      const answer = await fetch(`${this.endpoint}/health`, { signal: AbortSignal.timeout(1_000) })
      return (await answer.text()).includes('"true"') ? true : undefined
    }, 20_000)
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name)
  }

  /** Stops it where it is; resolves when it does nothing any more. */
  async freeze(): Promise<void> {
    this.signal('SIGSTOP')
    await eventually(() => / T /.test(readFileSync(`/proc/${this.#child?.pid}/stat`, 'latin1')) || undefined)
  }

  /** Ends it at once, as a crash or a power cut would. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  /** Throws away all that it has stored. */
  wipe(): void {
    rmSync(join(this.#directory, 'data'), { recursive: true, force: true })
  }

  /** Keeps what it has stored aside, so that it begins empty. */
  setAside(): void {
    renameSync(join(this.#directory, 'data'), join(this.#directory, 'aside'))
  }

  /** Gives it back what was set aside in the place of what it has now. */
  putBack(): void {
    this.wipe()
    renameSync(join(this.#directory, 'aside'), join(this.#directory, 'data'))
  }

  killNow(): void {
    this.#child?.kill('SIGKILL')
  }

  log(): string {
    return readFileSync(join(this.#directory, 'log'), 'utf8')
  }
}

export interface EtcdOptions {
  readonly members?: number
  readonly flags?: readonly string[]
  /** `https` needs flags that say with which certificate. */
  readonly scheme?: 'http' | 'https'
}

export interface EtcdCluster {
  readonly members: readonly EtcdMember[]
  readonly endpoints: readonly string[]
  close(): Promise<void>
}

/** Starts an etcd cluster of its own in a temporary directory; it ends with the test's process at the latest. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdCluster> {
  const { members: count = 1, flags = [], scheme = 'http' } = options
  const directory = mkdtempSync(join(tmpdir(), 'wherry-etcd-'))
  const ports = await freePorts(count * 2)
  const peers = Array.from({ length: count }, (_, i) => `http://127.0.0.1:${ports[2 * i + 1]}`)
  const members = peers.map((peer, i) => {
    const endpoint = `${scheme}://127.0.0.1:${ports[2 * i]}`
    const own = mkdtempSync(join(directory, `m${i}-`))
    return new EtcdMember(
      endpoint,
      [
        ['--name', `m${i}`, '--data-dir', join(own, 'data'), '--logger', 'zap', '--log-level', 'warn'],
        ['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
        ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ['--initial-cluster', peers.map((url, n) => `m${n}=${url}`).join(','), '--max-txn-ops', '2048'],
        flags,
      ].flat(),
      own,
    )
  })
  const end = (): void => {
    for (const member of members) member.killNow()
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', end)
  for (const member of members) member.start()
  try {
    if (scheme === 'http') await Promise.all(members.map((member) => member.ready()))
  } catch (error) {
    end()
    throw error
  }
  return {
    members,
    endpoints: members.map(({ endpoint }) => endpoint),
    async close() {
      process.removeListener('exit', end)
      await Promise.all(members.map((member) => member.kill()))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

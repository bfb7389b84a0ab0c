import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from './eventually.ts'

const run = promisify(execFile)

function isMissing(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args).error !== undefined
}

/** Why tests on a real Docker engine cannot run here; undefined when they can. */
export const DOCKER_MISSING: string | undefined =
  process.getuid?.() !== 0
    ? 'needs root, to run a Docker engine of its own'
    : isMissing('dockerd', '--version') || isMissing('docker', '--version')
      ? 'needs dockerd (Debian package docker.io)'
      : isMissing('busybox', 'true')
        ? 'needs busybox (Debian package busybox-static), to make images of'
        : undefined

/** A shell and the usual small programs, and one with Node itself. */
export const BUSYBOX_IMAGE = 'test/busybox:1'
export const NODE_IMAGE = 'node:24'

/** A Docker engine of a test's own, without any part in the machine's firewall. */
export class TestEngine {
  readonly host: string
  readonly directory: string
  #child: ChildProcess | undefined

  constructor(directory: string) {
    this.directory = directory
    this.host = `unix://${join(directory, 'docker.sock')}`
  }

  start(): void {
    const log = openSync(join(this.directory, 'log'), 'a')
    this.#child = spawn(
      'dockerd',
      [
        ['--host', this.host, '--pidfile', join(this.directory, 'pid')],
        ['--data-root', join(this.directory, 'data'), '--exec-root', join(this.directory, 'exec')],
        ['--config-file', join(this.directory, 'daemon.json'), '--bridge', 'none'],
        ['--iptables=false', '--ip6tables=false', '--ip-masq=false', '--ip-forward=false'],
      ].flat(),
      { stdio: ['ignore', log, log], detached: true },
    )
  }

  async ready(): Promise<void> {
    await eventually(async () => {
      if (this.#child?.exitCode !== null) throw new Error(`dockerd ended: ${this.log().slice(-2_000)}`)
      await this.docker('version')
      return true
    }, 30_000)
  }

  /** The engine's own client; its output, trimmed. */
  async docker(...args: readonly string[]): Promise<string> {
    const { stdout } = await run('docker', ['--host', this.host, ...args], { timeout: 60_000, maxBuffer: 2 ** 26 })
    return stdout.trim()
  }

  /** SIGTERM ends its containers, too; SIGKILL leaves them to whoever comes next. */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
    if (signal === 'SIGKILL') this.#killContainerd()
  }

  /** What a dockerd that was killed leaves: a containerd that keeps its sockets from the next one, and its process numbers. */
  #killContainerd(): void {
    const file = join(this.directory, 'exec/containerd/containerd.pid')
    try {
      const pid = Number(readFileSync(file, 'latin1'))
      if (readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(this.directory)) process.kill(pid, 'SIGKILL')
    } catch {
      // Gone with it.
    }
    for (const path of [file, join(this.directory, 'pid')]) rmSync(path, { force: true })
  }

  /** Ends the containers of an engine that can end nothing any more. */
  #killShims(): void {
    for (const { pid, command } of processes()) {
      if (!command.includes('containerd-shim') || !command.includes(this.directory)) continue
      for (const child of processes()) if (child.parent === pid) kill(child.pid)
      kill(pid)
    }
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name)
  }

  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8')
  }

  /** Ends all that it runs, then itself; what it had on disk is gone. */
  async close(): Promise<void> {
    this.signal('SIGCONT')
    try {
      const ids = await this.docker('ps', '--all', '--quiet')
      if (ids !== '') await this.docker('rm', '--force', ...ids.split('\n'))
      for (const name of (await this.docker('network', 'ls', '--format', '{{.Name}}')).split('\n'))
        if (name.startsWith('wherry')) {
          await this.docker('network', 'rm', name)
          spawnSync('ip', ['route', 'del', 'local', `10.${name.slice('wherry'.length)}.0.0/17`, 'dev', 'lo'])
        }
    } catch {
      // An engine that is no more: what it left goes with the rest.
    }
    await this.end()
    this.killNow()
  }

  killNow(): void {
    this.#child?.kill('SIGKILL')
    this.#killContainerd()
    this.#killShims()
    for (const path of mountsBeneath(this.directory)) spawnSync('umount', ['--lazy', path], { stdio: 'ignore' })
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3, retryDelay: 100 })
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

function processes(): readonly { readonly pid: number; readonly parent: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid)) return []
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0])
      return [{ pid, parent, command: readFileSync(`/proc/${pid}/cmdline`, 'latin1') }]
    } catch {
      return []
    }
  })
}

/** Where something is mounted below a directory, the deepest first. */
function mountsBeneath(directory: string): readonly string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${directory}/`))
    .sort((a, b) => b.length - a.length)
}

/** Starts an engine; it ends with the test's process at the latest. */
export async function startDockerEngine(): Promise<TestEngine> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-docker-'))
  // Registries on loopback are trusted without TLS by default.
  writeFileSync(join(directory, 'daemon.json'), '{}')
  const engine = new TestEngine(directory)
  process.once('exit', () => engine.killNow())
  engine.start()
  try {
    await engine.ready()
  } catch (error) {
    engine.killNow()
    throw error
  }
  return engine
}

const APPLETS =
  'cat chmod date dd echo env false grep head hostname httpd id ip kill ls mkdir mount nc ps pwd rm sed seq sh sleep sort stat stty sync tail tar test touch tr true tty wc wget whoami'

async function importTree(
  engine: TestEngine,
  tree: string,
  name: string,
  ...changes: readonly string[]
): Promise<void> {
  const archive = `${tree}.tar`
  await run('tar', ['--create', '--file', archive, '--directory', tree, '.'])
  await engine.docker('import', ...changes.flatMap((change) => ['--change', change]), archive, name)
  rmSync(archive)
  rmSync(tree, { recursive: true })
}

/** Puts a small image with a shell into an engine, under this name. */
export async function importBusybox(
  engine: TestEngine,
  name = BUSYBOX_IMAGE,
  ...changes: readonly string[]
): Promise<void> {
  const tree = mkdtempSync(join(engine.directory, 'busybox-'))
  for (const path of ['bin', 'etc', 'tmp', 'root', 'usr']) mkdirSync(join(tree, path))
  writeFileSync(join(tree, 'usr/readme'), 'of the image\n')
  const { stdout } = await run('sh', ['-c', 'command -v busybox'])
  copyFileSync(stdout.trim(), join(tree, 'bin/busybox'))
  for (const applet of APPLETS.split(' ')) symlinkSync('busybox', join(tree, 'bin', applet))
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n')
  writeFileSync(join(tree, 'etc/group'), 'root:x:0:\nguest:x:1000:\n')
  await importTree(engine, tree, name, 'ENV PATH=/bin', 'CMD ["sh"]', ...changes)
}

/** Puts an image with this very Node and the libraries that it needs into an engine. */
export async function importNode(engine: TestEngine, name = NODE_IMAGE): Promise<void> {
  const tree = mkdtempSync(join(engine.directory, 'node-'))
  const { stdout } = await run('ldd', [process.execPath])
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!)
  for (const file of libraries) {
    mkdirSync(join(tree, dirname(file)), { recursive: true })
    copyFileSync(file, join(tree, file))
  }
  mkdirSync(join(tree, 'usr/bin'), { recursive: true })
  mkdirSync(join(tree, 'tmp'))
  copyFileSync(process.execPath, join(tree, 'usr/bin/node'))
  await importTree(engine, tree, name, 'ENV PATH=/usr/bin', 'CMD ["node"]')
}

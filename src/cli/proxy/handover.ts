import { spawn } from 'node:child_process'

/** What a proxy leaves to the one that comes in its place. */
export interface Handover {
  /** Each worker's listening sockets by the names of their listeners; in the successor its descriptors from 4 on. */
  readonly sockets: readonly Readonly<Record<string, number>>[]
  /** Of all listeners, for those that may have any. */
  readonly ports: Readonly<Record<string, number>>
  /** Of sessions that stick. */
  readonly secret: string
}

const VARIABLE = 'WHERRY_PROXY_HANDOVER'
/** Standard streams and the channel come before. */
const FIRST_DESCRIPTOR = 4
const READY_WITHIN_MS = 30_000

/** What this process was left by another one; undefined: it was started by itself. To be asked once. */
export function takeHandover(environment: NodeJS.ProcessEnv): Handover | undefined {
  const text = environment[VARIABLE]
  delete environment[VARIABLE]
  return text === undefined ? undefined : (JSON.parse(text) as Handover)
}

/** Tells the predecessor that it may go. */
export function reportReady(): void {
  if (!process.connected) return
  process.send?.('ready', () => process.disconnect())
}

/**
 * Starts this program anew, from its files as they are now, with the same arguments. Resolves with the process number
 * when it serves requests; rejects, with nothing left of it, when it does not get so far.
 */
export function startSuccessor({ sockets, ports, secret }: Handover): Promise<number> {
  const descriptors: number[] = []
  const left: Handover = {
    sockets: sockets.map((own) =>
      Object.fromEntries(
        Object.entries(own).map(([name, fd]) => [name, FIRST_DESCRIPTOR + descriptors.push(fd) - 1] as const),
      ),
    ),
    ports,
    secret,
  }
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...process.env, [VARIABLE]: JSON.stringify(left) },
    stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...descriptors],
  })
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(why))
    }
    const timer = setTimeout(() => fail(`it was not ready within ${READY_WITHIN_MS / 1_000} s`), READY_WITHIN_MS)
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code, signal) => fail(`it ended (${signal ?? `exit code ${code}`})`))
    child.once('message', () => {
      clearTimeout(timer)
      child.removeAllListeners('exit')
      child.unref()
      resolve(child.pid!)
    })
  })
}

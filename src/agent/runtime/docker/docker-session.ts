import { type Clock, sleep } from '../../../base/clock.ts'
import { type ContainerSession, type ExecOptions, RuntimeError, type TerminalSize } from '../runtime.ts'
import { type ContainerStreams, containerStreams } from './container-streams.ts'
import type { DockerEngine } from './docker-engine.ts'
import { isUnavailable } from './engine-error.ts'

/** Docker keeps back keys that may begin its detach sequence: one that nobody types by chance. */
const DETACH_KEYS = 'ctrl-^,ctrl-],ctrl-^,ctrl-]'
const HANGUP_MS = 5_000
const FIRST_SIZE_TRIES = 10
const FIRST_SIZE_PAUSE_MS = 20
const POLL_MS_MIN = 5
const POLL_MS_MAX = 1_000
/** What an end is called that could not be asked for. */
const UNKNOWN_EXIT = 255

interface InspectedExec {
  readonly Running: boolean
  readonly ExitCode: number | null
  readonly Pid: number
}

function failure(what: string, error: unknown): RuntimeError {
  return new RuntimeError(
    isUnavailable(error) ? 'RuntimeUnavailable' : 'ExecError',
    `${what}: ${error instanceof Error ? error.message : String(error)}`,
    {
      cause: error,
    },
  )
}

/** Sends a signal to a process of the machine; without the right to, or without the process, nothing happens. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  if (pid <= 1) return
  try {
    process.kill(pid, signal)
  } catch {
    // Gone already, or not ours to end.
  }
}

function resizer(engine: DockerEngine, path: string): (size: TerminalSize) => Promise<void> {
  return async ({ columns, rows }) => {
    if (columns > 0 && rows > 0) await engine.call({ method: 'POST', path, query: { h: rows, w: columns } })
  }
}

/** A command that is just being started has no terminal yet; one that has ended needs none. */
async function firstSize(
  resize: (size: TerminalSize) => Promise<void>,
  size: TerminalSize,
  clock: Clock,
): Promise<void> {
  for (let tries = 0; tries < FIRST_SIZE_TRIES; tries++) {
    try {
      return await resize(size)
    } catch {
      await sleep(clock, FIRST_SIZE_PAUSE_MS)
    }
  }
}

/** Runs a command in a container with its streams in the caller's hands. Rejects with RuntimeError. */
export async function execSession(
  engine: DockerEngine,
  container: string,
  command: readonly string[],
  options: ExecOptions,
  clock: Clock,
): Promise<ContainerSession> {
  const { tty, size } = options
  // Engines before API 1.42 pass this over.
  const consoleSize = tty && size !== undefined ? { ConsoleSize: [size.rows, size.columns] } : {}
  let id: string
  let streams: ContainerStreams
  let sized: Promise<void> = Promise.resolve()
  try {
    const created = await engine.call<{ readonly Id: string }>({
      method: 'POST',
      path: `/containers/${container}/exec`,
      body: {
        Cmd: command,
        AttachStdin: options.stdin,
        AttachStdout: true,
        AttachStderr: true,
        Tty: tty,
        DetachKeys: DETACH_KEYS,
        ...consoleSize,
      },
    })
    id = created.Id
    // For those it is asked for before the start and held by the engine until there is a terminal, so that all but what a
    // program does in its first milliseconds sees it.
    if (tty && size !== undefined) sized = firstSize(resizer(engine, `/exec/${id}/resize`), size, clock)
    const connection = await engine.hijack({
      method: 'POST',
      path: `/exec/${id}/start`,
      body: { Detach: false, Tty: tty, ...consoleSize },
    })
    streams = containerStreams(connection, { ...options, endsInput: true })
  } catch (error) {
    throw failure(`cannot exec in container ${container}`, error)
  }
  const resize = resizer(engine, `/exec/${id}/resize`)
  await sized
  const inspect = (): Promise<InspectedExec> => engine.call<InspectedExec>({ method: 'GET', path: `/exec/${id}/json` })

  /** Output may end long before the program does, and the engine notes the end a moment after it. */
  const exitCode = async (): Promise<number> => {
    await streams.ended
    for (let pause = POLL_MS_MIN; ; pause = Math.min(pause * 2, POLL_MS_MAX)) {
      try {
        const { Running, ExitCode } = await inspect()
        if (!Running) return ExitCode ?? UNKNOWN_EXIT
      } catch (error) {
        if (!isUnavailable(error)) return UNKNOWN_EXIT
      }
      await sleep(clock, pause)
      if (over.signal.aborted && pause === POLL_MS_MAX) return UNKNOWN_EXIT
    }
  }
  const over = new AbortController()
  const exited = exitCode()
  return {
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    exited,
    resize: (size) => void resize(size).catch(() => {}),
    close() {
      over.abort()
      streams.destroy()
      void (async () => {
        // The engine leaves a command running whose client is gone, and has no call to end it.
        const pid = await inspect().then(
          ({ Running, Pid }) => (Running ? Pid : 0),
          () => 0,
        )
        signalProcess(pid, 'SIGHUP')
        const ended = await Promise.race([exited.then(() => true), sleep(clock, HANGUP_MS).then(() => false)])
        if (!ended) signalProcess(pid, 'SIGKILL')
      })()
    },
  }
}

/** Joins a running container's own streams. Rejects with RuntimeError. */
export async function attachSession(
  engine: DockerEngine,
  container: { readonly id: string; readonly tty: boolean; readonly stdin: boolean; readonly stdinOnce: boolean },
  options: ExecOptions,
): Promise<ContainerSession> {
  const { id, tty } = container
  const stdin = options.stdin && container.stdin
  const resize = resizer(engine, `/containers/${id}/resize`)
  let streams: ContainerStreams
  try {
    if (tty && options.size !== undefined) await resize(options.size).catch(() => {})
    const connection = await engine.hijack({
      method: 'POST',
      path: `/containers/${id}/attach`,
      query: { stream: 1, stdin: stdin ? 1 : 0, stdout: 1, stderr: 1, detachKeys: DETACH_KEYS },
    })
    streams = containerStreams(connection, { stdin, tty, endsInput: container.stdinOnce })
  } catch (error) {
    throw failure(`cannot attach to container ${id}`, error)
  }
  return {
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    // How the container ended is for its pod's status to say; to have watched it went well.
    exited: streams.ended.then(() => 0),
    resize: (size) => void resize(size).catch(() => {}),
    close: () => streams.destroy(),
  }
}

/** The most of a probe's or hook's output that is kept. */
const OUTPUT_BYTES_MAX = 16 * 1024

/** Runs a command in a container to its end, and no longer than `timeoutMs`. Rejects with RuntimeError. */
export async function runInContainer(
  engine: DockerEngine,
  container: string,
  command: readonly string[],
  timeoutMs: number,
  clock: Clock,
): Promise<{ readonly exitCode: number; readonly output: string; readonly timedOut: boolean }> {
  const deadline = new AbortController()
  const session = await execSession(engine, container, command, { stdin: false, tty: false }, clock)
  const parts: Buffer[] = []
  let length = 0
  for (const stream of [session.stdout, session.stderr])
    stream?.on('data', (chunk: Buffer) => {
      if (length < OUTPUT_BYTES_MAX) parts.push(chunk.subarray(0, OUTPUT_BYTES_MAX - length))
      length += chunk.length
    })
  const exitCode = await Promise.race([session.exited, sleep(clock, timeoutMs, deadline.signal).then(() => undefined)])
  deadline.abort()
  if (exitCode === undefined) session.close()
  return {
    exitCode: exitCode ?? 137,
    output: Buffer.concat(parts).toString(),
    timedOut: exitCode === undefined,
  }
}

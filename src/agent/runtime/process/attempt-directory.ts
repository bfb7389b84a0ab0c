import { join } from 'node:path'

/**
 * Where one attempt of a container keeps what must outlive the agent:
 *
 *     <pod>/sandbox.json                       the SandboxConfig
 *     <pod>/containers/<name>/root/            the container's root, new for every attempt
 *     <pod>/containers/<name>/<attempt>/
 *       config.json                            what was started, environment included (0600)
 *       shim, main                             process numbers, each written by its process itself
 *       disowned                               a later agent found no shim: one that comes now must not go on
 *       exit                                   the exit code and a line feed; its mtime is when it ended
 *       failure.json                           instead: why it never started
 *       log, log.index                         output and when it was seen
 *       termination-message
 *       stdin, stdin-holder                    a named pipe, and the process that keeps it open (stdin or tty: true)
 *       terminal                               the path of its terminal (tty: true)
 */
export interface AttemptDirectory {
  readonly path: string
  readonly config: string
  readonly shim: string
  readonly main: string
  readonly disowned: string
  readonly exit: string
  readonly failure: string
  readonly log: string
  readonly terminationMessage: string
  readonly stdin: string
  readonly stdinHolder: string
  readonly terminal: string
}

export function attemptDirectory(podDirectory: string, container: string, attempt: number): AttemptDirectory {
  const path = join(podDirectory, 'containers', container, String(attempt))
  return {
    path,
    config: join(path, 'config.json'),
    shim: join(path, 'shim'),
    main: join(path, 'main'),
    disowned: join(path, 'disowned'),
    exit: join(path, 'exit'),
    failure: join(path, 'failure.json'),
    log: join(path, 'log'),
    terminationMessage: join(path, 'termination-message'),
    stdin: join(path, 'stdin'),
    stdinHolder: join(path, 'stdin-holder'),
    terminal: join(path, 'terminal'),
  }
}

export function containerRoot(podDirectory: string, container: string): string {
  return join(podDirectory, 'containers', container, 'root')
}

/** `<pod uid>.<container>.<attempt>`: neither a uid nor a container's name holds a dot. */
export function containerId(podUid: string, container: string, attempt: number): string {
  return `${podUid}.${container}.${attempt}`
}

import type { Logger } from '../../base/logger.ts'
import { UserError } from '../user-error.ts'
import { createFileLogger } from './file-logger.ts'
import type { ClusterFacts, FromChild, ProcessConfig, Role, ToChild } from './protocol.ts'

/** Why a process ends: its supervisor asked for it, or the supervisor itself is gone. */
export type WhyEnd = 'asked' | 'abandoned'

/** What a role does between `start` and `stop`. */
export interface RunningRole {
  readonly apiPort?: number
  readonly cluster?: ClusterFacts
  close(why: WhyEnd): Promise<void>
}

export interface RoleContext {
  readonly config: ProcessConfig
  readonly logger: Logger
  /** Runs one step of start-up and reports how long it took. */
  phase<T>(name: string, step: () => Promise<T>): Promise<T>
  /** Says why the role cannot begin yet; it tries on by itself, and may be ended at any moment meanwhile. */
  waiting(error: Error): void
  /** For faults found later than start-up that the role cannot go on with: reports and exits. */
  fatal(error: unknown): void
}

function send(message: FromChild): void {
  if (process.connected) process.send?.(message)
}

/**
 * The frame of every child process: waits for `start`, runs the role, ends it on `stop` or when the supervisor is gone
 * (its channel closes), so that no child outlives its supervisor. Signals of the terminal are the supervisor's business.
 */
export function runChild(role: Role, start: (context: RoleContext) => Promise<RunningRole>): void {
  process.on('SIGINT', () => {})
  let running: Promise<RunningRole> | undefined
  let stopping = false
  let isWaiting = false

  const fatal = (error: unknown): void => {
    const message = error instanceof Error ? error.message : String(error)
    const hint = error instanceof UserError ? error.hint : undefined
    process.stderr.write(`${error instanceof Error ? (error.stack ?? message) : message}\n`)
    send({ type: 'fatal', message, ...(hint === undefined ? {} : { hint }) })
    // The message leaves with the next turn of the event loop.
    setTimeout(() => process.exit(1), 20)
  }

  const stop = async (why: WhyEnd): Promise<void> => {
    if (stopping) return
    stopping = true
    if (isWaiting) process.exit(0)
    try {
      await (await running)?.close(why)
    } catch (error) {
      process.stderr.write(`while stopping: ${error instanceof Error ? error.stack : String(error)}\n`)
    }
    process.exit(0)
  }

  process.on('message', (message: ToChild) => {
    if (message.type === 'stop') return void stop('asked')
    const { config } = message
    const context: RoleContext = {
      config,
      logger: createFileLogger(role, config),
      async phase(name, step) {
        const began = performance.now()
        const result = await step()
        send({ type: 'phase', name, ms: performance.now() - began })
        return result
      },
      waiting(error) {
        isWaiting = true
        const hint = error instanceof UserError ? error.hint : undefined
        send({ type: 'waiting', message: error.message, ...(hint === undefined ? {} : { hint }) })
      },
      fatal,
    }
    running = start(context)
    running.then(({ apiPort, cluster }) => {
      isWaiting = false
      send({
        type: 'ready',
        ...(apiPort === undefined ? {} : { apiPort }),
        ...(cluster === undefined ? {} : { cluster }),
      })
    }, fatal)
  })
  process.on('disconnect', () => void stop('abandoned'))
  // As a kubelet does: whoever ends the agent alone does not end the containers.
  process.on('SIGTERM', () => void stop('abandoned'))
  process.on('uncaughtException', fatal)
  process.on('unhandledRejection', fatal)
}

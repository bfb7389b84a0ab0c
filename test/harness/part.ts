import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { WHERRY } from './wherry.ts'

/** `wherry server` or `wherry agent` as a person starts it. */
export interface Part {
  readonly pid: number
  output(): string
  /** Resolves when it has printed this; rejects with all it printed when it ends first. */
  printed(pattern: RegExp, withinMs?: number): Promise<void>
  /** To the supervisor alone. */
  signal(name: NodeJS.Signals): void
  /** Resolves with the exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

export function startPart(args: readonly string[]): Part {
  const child: ChildProcess = spawn(process.execPath, [WHERRY, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const listeners = new Set<() => void>()
  const onData = (chunk: Buffer): void => {
    text += chunk.toString()
    for (const listener of listeners) listener()
  }
  child.stdout!.on('data', onData)
  child.stderr!.on('data', onData)
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null
  return {
    pid: child.pid!,
    output: () => text,
    printed: (pattern, withinMs = 30_000) =>
      new Promise((resolve, reject) => {
        const done = (error?: Error): void => {
          listeners.delete(look)
          clearTimeout(timer)
          child.off('exit', onExit)
          if (error === undefined) resolve()
          else reject(error)
        }
        const look = (): void => {
          if (pattern.test(text)) done()
        }
        const onExit = (): void => done(new Error(`wherry ${args[0]} ended without ${pattern}:\n${text}`))
        const timer = setTimeout(
          () => done(new Error(`wherry ${args[0]} did not print ${pattern} within ${withinMs} ms:\n${text}`)),
          withinMs,
        )
        listeners.add(look)
        child.once('exit', onExit)
        look()
        if (isOver()) onExit()
      }),
    signal: (name) => void child.kill(name),
    async end(signal = 'SIGINT') {
      if (isOver()) return child.exitCode
      const exit = once(child, 'exit')
      child.kill(signal)
      const killer = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await exit
      clearTimeout(killer)
      return child.exitCode
    },
  }
}

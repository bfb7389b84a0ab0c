import type { Container, LifecycleHandler } from '../../api/types/core-v1.gen.ts'
import { type Clock, sleep } from '../../base/clock.ts'
import { httpProbe } from '../probes/http-probe.ts'
import { type ProbeTargets, probePort } from '../probes/probe-target.ts'
import type { Runtime } from '../runtime/runtime.ts'

export interface HookContext {
  readonly runtime: Runtime
  readonly clock: Clock
  readonly targets: ProbeTargets
  readonly container: Container
  readonly containerId: string
  readonly podIp: string
  /** For the message. */
  readonly podFullName: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Runs a postStart or preStop hook; resolves with why it failed, or undefined. Never rejects. */
export async function runHook(handler: LifecycleHandler, context: HookContext): Promise<string | undefined> {
  const { container, podFullName, timeoutMs, signal, clock } = context
  const forWhat = `for Container "${container.name}" in Pod "${podFullName}" failed`
  try {
    if (handler.exec !== undefined) {
      const command = handler.exec.command ?? []
      const { exitCode, output, timedOut } = await context.runtime.exec(context.containerId, command, timeoutMs)
      if (exitCode === 0 && !timedOut) return undefined
      const how = timedOut ? 'timed out' : `exited with ${exitCode}`
      return `Exec lifecycle hook (${JSON.stringify(command)}) ${forWhat} - error: command '${command.join(' ')}' ${how}, message: ${JSON.stringify(output)}`
    }
    if (handler.httpGet !== undefined) {
      const { host, port, path = '/', scheme, httpHeaders = [] } = handler.httpGet
      const result = await httpProbe({
        scheme: scheme === 'HTTPS' ? 'https' : 'http',
        host: context.targets.host(host, context.podIp),
        port: probePort(port, container),
        path: path.startsWith('/') ? path : `/${path}`,
        headers: httpHeaders,
        timeoutMs,
      })
      // Any answer will do: the hook asks for a request, not for a verdict.
      if (result.ok || result.output.startsWith('HTTP probe failed')) return undefined
      return `HTTP lifecycle hook (${path}) ${forWhat} - error: ${result.output}`
    }
    if (handler.sleep !== undefined) {
      await sleep(clock, Math.min(handler.sleep.seconds * 1000, timeoutMs), signal)
      return undefined
    }
    return undefined
  } catch (error) {
    return `lifecycle hook ${forWhat} - error: ${error instanceof Error ? error.message : String(error)}`
  }
}

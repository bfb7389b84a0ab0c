import type { Container, Probe } from '../../api/types/core-v1.gen.ts'
import { type Runtime, RuntimeError } from '../runtime/runtime.ts'
import { grpcProbe } from './grpc-probe.ts'
import { httpProbe } from './http-probe.ts'
import type { ProbeResult } from './probe-result.ts'
import { type ProbeTargets, probePort } from './probe-target.ts'
import { tcpProbe } from './tcp-probe.ts'

export interface ProbeContext {
  readonly runtime: Runtime
  readonly targets: ProbeTargets
  readonly container: Container
  readonly containerId: string
  readonly podIp: string
}

/** Runs a probe once. Never rejects: what keeps it from running counts as a failure and says so. */
export async function runProbe(probe: Probe, context: ProbeContext): Promise<ProbeResult> {
  const timeoutMs = Math.max(1, probe.timeoutSeconds ?? 1) * 1000
  const { targets, podIp, container } = context
  try {
    if (probe.exec !== undefined) return await execProbe(probe.exec.command ?? [], timeoutMs, context)
    if (probe.httpGet !== undefined) {
      const { host, port, path = '/', scheme, httpHeaders = [] } = probe.httpGet
      return await httpProbe({
        scheme: scheme === 'HTTPS' ? 'https' : 'http',
        host: targets.host(host, podIp),
        port: probePort(port, container),
        path: path.startsWith('/') ? path : `/${path}`,
        headers: httpHeaders,
        timeoutMs,
      })
    }
    if (probe.tcpSocket !== undefined) {
      const { host, port } = probe.tcpSocket
      return await tcpProbe(targets.host(host, podIp), probePort(port, container), timeoutMs)
    }
    if (probe.grpc !== undefined) return await grpcProbe(podIp, probe.grpc.port, probe.grpc.service ?? '', timeoutMs)
    return { ok: false, output: `missing probe handler for ${container.name}` }
  } catch (error) {
    if (error instanceof RuntimeError && error.reason === 'RuntimeUnavailable')
      return { ok: false, output: error.message, isUnknown: true }
    return { ok: false, output: error instanceof Error ? error.message : String(error) }
  }
}

async function execProbe(command: readonly string[], timeoutMs: number, context: ProbeContext): Promise<ProbeResult> {
  const { exitCode, output, timedOut } = await context.runtime.exec(context.containerId, command, timeoutMs)
  if (timedOut)
    return {
      ok: false,
      output: `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${timeoutMs / 1000}s`,
    }
  return { ok: exitCode === 0, output }
}

import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { portNameErrors, portNumberErrors } from '../../names.ts'
import type { Container, HTTPGetAction, Lifecycle, LifecycleHandler, Probe } from '../../types/core-v1.gen.ts'
import { nonNegative } from '../number-rules.ts'

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const
const SCHEMES = ['HTTP', 'HTTPS']
const HEADER =
  "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"

type Handler = Partial<Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & Pick<LifecycleHandler, 'sleep'>>

function validatePort(port: number | string | undefined, path: string): readonly FieldError[] {
  const value = port ?? 0
  const errors = typeof value === 'number' ? portNumberErrors(value) : portNameErrors(value)
  return errors.map((text) => invalid(path, value, text))
}

function validateHttpGet(action: HTTPGetAction, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (!action.path) errors.push(required(`${path}.path`))
  errors.push(...validatePort(action.port, `${path}.port`))
  if (!SCHEMES.includes(action.scheme ?? '')) errors.push(notSupported(`${path}.scheme`, action.scheme ?? '', SCHEMES))
  for (const [i, header] of (action.httpHeaders ?? []).entries())
    if (!/^[-A-Za-z0-9]+$/.test(header.name ?? ''))
      errors.push(invalid(`${path}.httpHeaders[${i}]`, header.name, HEADER))
  return errors
}

/** Findings on what a probe or a hook does: exactly one thing. */
function validateHandler(handler: Handler, path: string, graceSeconds: number | undefined): readonly FieldError[] {
  const errors: FieldError[] = []
  const kinds = HANDLERS.filter((kind) => handler[kind] !== undefined)
  if (kinds.length === 0) errors.push(required(path, 'must specify a handler type'))
  for (const kind of kinds.slice(1))
    errors.push(forbidden(`${path}.${kind}`, 'may not specify more than 1 handler type'))
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler
  if (exec !== undefined && !exec.command?.length) errors.push(required(`${path}.exec.command`))
  if (httpGet !== undefined) errors.push(...validateHttpGet(httpGet, `${path}.httpGet`))
  if (tcpSocket !== undefined) errors.push(...validatePort(tcpSocket.port, `${path}.tcpSocket.port`))
  if (grpc !== undefined) errors.push(...validatePort(grpc.port, `${path}.grpc.port`))
  if (sleep !== undefined && graceSeconds !== undefined && (sleep.seconds < 0 || sleep.seconds > graceSeconds)) {
    const text = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`
    errors.push(invalid(`${path}.sleep`, sleep.seconds, text))
  }
  return errors
}

function validateProbe(probe: Probe | undefined, path: string): readonly FieldError[] {
  if (probe === undefined) return []
  const errors = [
    ...validateHandler(probe, path, undefined),
    ...nonNegative(probe.initialDelaySeconds, `${path}.initialDelaySeconds`),
    ...nonNegative(probe.timeoutSeconds, `${path}.timeoutSeconds`),
    ...nonNegative(probe.periodSeconds, `${path}.periodSeconds`),
    ...nonNegative(probe.successThreshold, `${path}.successThreshold`),
    ...nonNegative(probe.failureThreshold, `${path}.failureThreshold`),
  ]
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0)
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'))
  return errors
}

/** Findings on a container's three probes. */
export function validateProbes(container: Container, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const name of ['livenessProbe', 'startupProbe'] as const) {
    const probe = container[name]
    errors.push(...validateProbe(probe, `${path}.${name}`))
    if (probe !== undefined && (probe.successThreshold ?? 1) !== 1)
      errors.push(invalid(`${path}.${name}.successThreshold`, probe.successThreshold, 'must be 1'))
  }
  const { readinessProbe } = container
  errors.push(...validateProbe(readinessProbe, `${path}.readinessProbe`))
  const grace = readinessProbe?.terminationGracePeriodSeconds
  if (grace !== undefined) {
    const at = `${path}.readinessProbe.terminationGracePeriodSeconds`
    errors.push(invalid(at, grace, 'must not be set for readinessProbes'))
  }
  return errors
}

/** Findings on a container's hooks; `graceSeconds` is what the pod gives itself to end. */
export function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  path: string,
  graceSeconds: number,
): readonly FieldError[] {
  const { postStart, preStop } = lifecycle ?? {}
  return [
    ...(postStart === undefined ? [] : validateHandler(postStart, `${path}.postStart`, graceSeconds)),
    ...(preStop === undefined ? [] : validateHandler(preStop, `${path}.preStop`, graceSeconds)),
  ]
}

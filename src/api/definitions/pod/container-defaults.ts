import type { Draft } from '../../object.ts'
import type { Container, HTTPGetAction, Probe } from '../../types/core-v1.gen.ts'

/** `latest` and untagged images may change under their name, so they are always pulled. */
export function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent'
  const tag = /:([^:/]+)$/.exec(image)?.[1]
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function setHttpGetDefaults(action: Draft<HTTPGetAction> | undefined): void {
  if (action === undefined) return
  if (!action.path) action.path = '/'
  if (!action.scheme) action.scheme = 'HTTP'
}

function setProbeDefaults(probe: Draft<Probe> | undefined): void {
  if (probe === undefined) return
  if (!probe.timeoutSeconds) probe.timeoutSeconds = 1
  if (!probe.periodSeconds) probe.periodSeconds = 10
  if (!probe.successThreshold) probe.successThreshold = 1
  if (!probe.failureThreshold) probe.failureThreshold = 3
  setHttpGetDefaults(probe.httpGet)
  if (probe.grpc !== undefined) probe.grpc.service ??= ''
}

/** What a container means when it leaves things out; also for init and ephemeral ones. */
export function setContainerDefaults(container: Draft<Container>): void {
  container.resources ??= {}
  if (!container.imagePullPolicy) container.imagePullPolicy = defaultPullPolicy(container.image ?? '')
  if (!container.terminationMessagePath) container.terminationMessagePath = '/dev/termination-log'
  if (!container.terminationMessagePolicy) container.terminationMessagePolicy = 'File'
  for (const port of container.ports ?? []) if (!port.protocol) port.protocol = 'TCP'
  for (const variable of container.env ?? []) {
    const ref = variable.valueFrom?.fieldRef
    if (ref !== undefined && !ref.apiVersion) ref.apiVersion = 'v1'
  }
  setProbeDefaults(container.livenessProbe)
  setProbeDefaults(container.readinessProbe)
  setProbeDefaults(container.startupProbe)
  setHttpGetDefaults(container.lifecycle?.postStart?.httpGet)
  setHttpGetDefaults(container.lifecycle?.preStop?.httpGet)
}

/** A limit without a request asks for all of it. Only real pods get this, templates do not. */
export function setRequestsFromLimits(container: Draft<Container>): void {
  const { limits } = container.resources ?? {}
  if (limits === undefined) return
  container.resources!.requests = { ...limits, ...container.resources!.requests }
}

import type { Draft } from '../../object.ts'
import type { Container, Pod, PodSpec } from '../../types/core-v1.gen.ts'
import { setContainerDefaults, setRequestsFromLimits } from './container-defaults.ts'
import { setVolumeDefaults } from './volume-defaults.ts'

/** What a pod's spec means when it leaves things out; for pods and for templates. */
export function setPodSpecDefaults(spec: Draft<PodSpec>): void {
  if (!spec.restartPolicy) spec.restartPolicy = 'Always'
  if (!spec.dnsPolicy) spec.dnsPolicy = 'ClusterFirst'
  if (!spec.schedulerName) spec.schedulerName = 'default-scheduler'
  spec.terminationGracePeriodSeconds ??= 30
  spec.securityContext ??= {}
  // One field in two spellings, of which the shorter is the older.
  const account = spec.serviceAccountName || spec.serviceAccount
  if (account) {
    spec.serviceAccountName = account
    spec.serviceAccount = account
  }
  for (const volume of spec.volumes ?? []) setVolumeDefaults(volume)
  for (const container of spec.initContainers ?? []) setContainerDefaults(container)
  for (const container of spec.containers ?? []) setContainerDefaults(container)
  for (const container of spec.ephemeralContainers ?? []) setContainerDefaults(container as Draft<Container>)
}

/** On the host's network a container's port is the host's. */
function setHostPorts(spec: Draft<PodSpec>): void {
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])])
    for (const port of container.ports ?? []) if (!port.hostPort) port.hostPort = port.containerPort
}

export function setPodDefaults(draft: Draft<Pod>): void {
  draft.spec ??= { containers: [] }
  draft.status ??= {}
  const { spec, status } = draft
  setPodSpecDefaults(spec)
  spec.enableServiceLinks ??= true
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) setRequestsFromLimits(container)
  if (spec.hostNetwork === true) setHostPorts(spec)
  if (status.podIP && !status.podIPs?.length) status.podIPs = [{ ip: status.podIP }]
  if (!status.podIP && status.podIPs?.length) status.podIP = status.podIPs[0]!.ip
  if (status.hostIP && !status.hostIPs?.length) status.hostIPs = [{ ip: status.hostIP }]
}

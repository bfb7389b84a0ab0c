import { objectKey } from '../../../api/object.ts'
import { type PodRequests, podRequests } from '../../../api/pod-requests.ts'
import type { Container, ContainerPort, Pod, Toleration } from '../../../api/types/core-v1.gen.ts'
import { type NodeMatch, namedNodes, nodeSelectorTermMatch, requiredNodeMatch } from './node-selection.ts'
import { type PodTerm, podTermOf, type WeightedPodTerm } from './pod-term.ts'
import { bucketsOfPod } from './selector-index.ts'
import { type SpreadConstraint, spreadConstraintsOf } from './spread-constraint.ts'

/** What a container that asks for nothing counts as when nodes are compared (kube-scheduler's non-zero requests). */
const DEFAULT_REQUESTS = { cpu: '100m', memory: '200Mi' } as const

export interface HostPort {
  readonly ip: string
  readonly protocol: string
  readonly port: number
}

export interface NodePreference {
  readonly match: NodeMatch
  readonly weight: number
}

/** A pod, read once: everything that filters and scores ask of it. */
export interface PodInfo {
  readonly pod: Pod
  /** `namespace/name`. */
  readonly key: string
  readonly uid: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  /** Where indexes file what may select it. */
  readonly buckets: readonly string[]
  readonly priority: number
  readonly isTerminating: boolean
  /** When it began to run, in milliseconds since the epoch; at the end of time while it has not. */
  readonly startedAtMs: number
  readonly requests: PodRequests
  readonly others: readonly (readonly [resource: string, amount: number])[]
  readonly countedCpuMilli: number
  readonly countedMemoryBytes: number
  readonly hostPorts: readonly HostPort[]
  readonly tolerations: readonly Toleration[]
  readonly nodeMatch: NodeMatch | undefined
  readonly namedNodes: ReadonlySet<string> | undefined
  readonly nodePreferences: readonly NodePreference[]
  readonly requiredTerms: readonly PodTerm[]
  readonly requiredAntiTerms: readonly PodTerm[]
  readonly preferredTerms: readonly WeightedPodTerm[]
  readonly preferredAntiTerms: readonly WeightedPodTerm[]
  readonly requiredSpread: readonly SpreadConstraint[]
  readonly preferredSpread: readonly SpreadConstraint[]
}

function hostPortsOf(containers: readonly Container[]): readonly HostPort[] {
  return containers
    .flatMap(({ ports = [] }): readonly ContainerPort[] => ports)
    .filter(({ hostPort = 0 }) => hostPort > 0)
    .map(({ hostIP, protocol = 'TCP', hostPort }) => ({
      ip: hostIP === undefined || hostIP === '' ? '0.0.0.0' : hostIP,
      protocol,
      port: hostPort!,
    }))
}

function counted(pod: Pod): PodRequests {
  const filled = (container: Container): Container => {
    const requests = { ...DEFAULT_REQUESTS, ...container.resources?.requests }
    return { ...container, resources: { ...container.resources, requests } }
  }
  const { containers = [], initContainers = [] } = pod.spec ?? {}
  const spec = { ...pod.spec, containers: containers.map(filled), initContainers: initContainers.map(filled) }
  return podRequests({ ...pod, spec })
}

export function startedAtMs({ status }: Pod): number {
  return status?.startTime === undefined ? Number.POSITIVE_INFINITY : Date.parse(status.startTime)
}

export function podInfoOf(pod: Pod): PodInfo {
  const { spec, metadata } = pod
  const { nodeAffinity, podAffinity, podAntiAffinity } = spec?.affinity ?? {}
  const requests = podRequests(pod)
  const countedRequests = counted(pod)
  const terms = (list: Parameters<typeof podTermOf>[0][] | readonly Parameters<typeof podTermOf>[0][] = []) =>
    list.map((term) => podTermOf(term, pod))
  const weighted = (affinity: typeof podAffinity): readonly WeightedPodTerm[] =>
    (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm, weight }) => ({
      term: podTermOf(podAffinityTerm, pod),
      weight,
    }))
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return {
    pod,
    key: objectKey(pod),
    uid: metadata?.uid ?? '',
    namespace: metadata?.namespace ?? '',
    labels: metadata?.labels ?? {},
    buckets: bucketsOfPod(metadata?.namespace ?? '', metadata?.labels ?? {}),
    priority: spec?.priority ?? 0,
    isTerminating: metadata?.deletionTimestamp !== undefined,
    startedAtMs: startedAtMs(pod),
    requests,
    others: Object.entries(requests.others).filter(([, amount]) => amount > 0),
    countedCpuMilli: countedRequests.cpuMilli,
    countedMemoryBytes: countedRequests.memoryBytes,
    hostPorts: hostPortsOf([...sidecars, ...(spec?.containers ?? [])]),
    tolerations: spec?.tolerations ?? [],
    nodeMatch: requiredNodeMatch(pod),
    namedNodes: namedNodes(pod),
    nodePreferences: (nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ preference, weight }) => ({ match: nodeSelectorTermMatch(preference), weight }),
    ),
    requiredTerms: terms(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    requiredAntiTerms: terms(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferredTerms: weighted(podAffinity),
    preferredAntiTerms: weighted(podAntiAffinity),
    requiredSpread: spreadConstraintsOf(pod, 'DoNotSchedule'),
    preferredSpread: spreadConstraintsOf(pod, 'ScheduleAnyway'),
  }
}

import { objectKey } from '../../../api/object.ts'
import { type PodRequests, podRequests } from '../../../api/pod-requests.ts'
import type {
  Container,
  ContainerPort,
  Pod,
  PodAffinityTerm,
  PodSpec,
  PreferredSchedulingTerm,
  Toleration,
  WeightedPodAffinityTerm,
} from '../../../api/types/core-v1.gen.ts'
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
  /** When it began to run, as `startedAtMs` says. */
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

const NONE: readonly never[] = []

function hostPortsOf({ containers = [], initContainers = [] }: Partial<PodSpec>): readonly HostPort[] {
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')
  const ports = [...sidecars, ...containers].flatMap(({ ports = [] }): readonly ContainerPort[] => ports)
  const held = ports.filter(({ hostPort = 0 }) => hostPort > 0)
  if (held.length === 0) return NONE
  return held.map(({ hostIP, protocol = 'TCP', hostPort }) => ({
    ip: hostIP === undefined || hostIP === '' ? '0.0.0.0' : hostIP,
    protocol,
    port: hostPort!,
  }))
}

function asksForBoth({ resources }: Container): boolean {
  return resources?.requests?.cpu !== undefined && resources.requests.memory !== undefined
}

/** What the pod requests, with a little in place of nothing. */
function countedRequests(pod: Pod, requests: PodRequests): PodRequests {
  const { containers = [], initContainers = [] } = pod.spec ?? {}
  if (containers.every(asksForBoth) && initContainers.every(asksForBoth)) return requests
  const filled = (container: Container): Container => ({
    ...container,
    resources: { ...container.resources, requests: { ...DEFAULT_REQUESTS, ...container.resources?.requests } },
  })
  const spec = { ...pod.spec, containers: containers.map(filled), initContainers: initContainers.map(filled) }
  return podRequests({ ...pod, spec })
}

function othersOf({ others }: PodRequests): PodInfo['others'] {
  const asked = Object.entries(others).filter(([, amount]) => amount > 0)
  return asked.length === 0 ? NONE : asked
}

function termsOf(terms: readonly PodAffinityTerm[] | undefined, pod: Pod): readonly PodTerm[] {
  return terms === undefined ? NONE : terms.map((term) => podTermOf(term, pod))
}

function weightedTermsOf(terms: readonly WeightedPodAffinityTerm[] | undefined, pod: Pod): readonly WeightedPodTerm[] {
  if (terms === undefined) return NONE
  return terms.map(({ podAffinityTerm, weight }) => ({ term: podTermOf(podAffinityTerm, pod), weight }))
}

function nodePreferencesOf(terms: readonly PreferredSchedulingTerm[] | undefined): readonly NodePreference[] {
  if (terms === undefined) return NONE
  return terms.map(({ preference, weight }) => ({ match: nodeSelectorTermMatch(preference), weight }))
}

/** Milliseconds since the epoch; the end of time for a pod that has not begun to run. */
export function startedAtMs({ status }: Pod): number {
  return status?.startTime === undefined ? Number.POSITIVE_INFINITY : Date.parse(status.startTime)
}

export function podInfoOf(pod: Pod): PodInfo {
  const { spec = {}, metadata } = pod as { readonly spec?: Partial<PodSpec>; readonly metadata?: Pod['metadata'] }
  const { nodeAffinity, podAffinity, podAntiAffinity } = spec.affinity ?? {}
  const requests = podRequests(pod)
  const counted = countedRequests(pod, requests)
  const namespace = metadata?.namespace ?? ''
  const labels = metadata?.labels ?? {}
  return {
    pod,
    key: objectKey(pod),
    uid: metadata?.uid ?? '',
    namespace,
    labels,
    buckets: bucketsOfPod(namespace, labels),
    priority: spec.priority ?? 0,
    isTerminating: metadata?.deletionTimestamp !== undefined,
    startedAtMs: startedAtMs(pod),
    requests,
    others: othersOf(requests),
    countedCpuMilli: counted.cpuMilli,
    countedMemoryBytes: counted.memoryBytes,
    hostPorts: hostPortsOf(spec),
    tolerations: spec.tolerations ?? NONE,
    nodeMatch: requiredNodeMatch(pod),
    namedNodes: namedNodes(pod),
    nodePreferences: nodePreferencesOf(nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    requiredTerms: termsOf(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution, pod),
    requiredAntiTerms: termsOf(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution, pod),
    preferredTerms: weightedTermsOf(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, pod),
    preferredAntiTerms: weightedTermsOf(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, pod),
    requiredSpread: spreadConstraintsOf(pod, 'DoNotSchedule'),
    preferredSpread: spreadConstraintsOf(pod, 'ScheduleAnyway'),
  }
}

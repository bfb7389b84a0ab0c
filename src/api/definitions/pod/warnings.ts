import { parseQuantity } from '../../quantity.ts'
import type { Container, Pod, PodSpec } from '../../types/core-v1.gen.ts'

const NANO = 1_000_000_000n

/** Labels of nodes that were renamed. */
const RENAMED: Readonly<Record<string, readonly [string, string]>> = {
  'beta.kubernetes.io/arch': ['v1.14', 'kubernetes.io/arch'],
  'beta.kubernetes.io/os': ['v1.14', 'kubernetes.io/os'],
  'failure-domain.beta.kubernetes.io/region': ['v1.17', 'topology.kubernetes.io/region'],
  'failure-domain.beta.kubernetes.io/zone': ['v1.17', 'topology.kubernetes.io/zone'],
  'beta.kubernetes.io/instance-type': ['v1.17', 'node.kubernetes.io/instance-type'],
}

/** Annotations that became fields. */
const ANNOTATIONS: Readonly<Record<string, string>> = {
  'scheduler.alpha.kubernetes.io/critical-pod': 'non-functional in v1.16+; use the "priorityClassName" field instead',
  'seccomp.security.alpha.kubernetes.io/pod': 'non-functional in v1.27+; use the "seccompProfile" field instead',
}

function containerWarnings(container: Container, path: string): readonly string[] {
  const warnings: string[] = []
  const names = new Set<string>()
  for (const [i, { name, value = '' }] of (container.env ?? []).entries()) {
    // A value that refers to its own name builds on the one before.
    if (names.has(name) && !value.includes(`$(${name})`))
      warnings.push(`${path}.env[${i}]: hides previous definition of "${name}", which may be dropped when using apply`)
    names.add(name)
  }
  const ports = new Map<string, number>()
  for (const [i, { protocol, containerPort, hostPort = 0, hostIP = '' }] of (container.ports ?? []).entries()) {
    const identity = `${protocol}/${containerPort}/${hostPort}/${hostIP}`
    const first = ports.get(identity)
    if (first === undefined) ports.set(identity, i)
    else warnings.push(`${path}.ports[${i}]: duplicate port definition with ${path}.ports[${first}]`)
  }
  for (const list of ['limits', 'requests'] as const) {
    for (const resource of ['memory', 'ephemeral-storage']) {
      const amount = container.resources?.[list]?.[resource]
      if (amount !== undefined && parseQuantity(amount).nano % NANO !== 0n) {
        const at = `${path}.resources.${list}[${resource}]`
        warnings.push(`${at}: fractional byte value "${amount}" is invalid, must be an integer`)
      }
    }
  }
  return warnings
}

function specWarnings(spec: PodSpec, path: string): readonly string[] {
  const warnings: string[] = []
  for (const key of Object.keys(spec.nodeSelector ?? {})) {
    if (!Object.hasOwn(RENAMED, key)) continue
    const [since, instead] = RENAMED[key]!
    warnings.push(`${path}.nodeSelector[${key}]: deprecated since ${since}; use "${instead}" instead`)
  }
  const secrets = new Set<string | undefined>()
  for (const [i, { name }] of (spec.imagePullSecrets ?? []).entries()) {
    if (secrets.has(name)) warnings.push(`${path}.imagePullSecrets[${i}].name: duplicate name "${name}"`)
    secrets.add(name)
  }
  for (const [list, containers] of [
    ['initContainers', spec.initContainers],
    ['containers', spec.containers],
  ] as const)
    for (const [i, container] of (containers ?? []).entries())
      warnings.push(...containerWarnings(container, `${path}.${list}[${i}]`))
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    const at = `${path}.terminationGracePeriodSeconds`
    warnings.push(`${at}: must be >= 0; negative values are invalid and will be treated as 1`)
  }
  return warnings
}

/** Sentences on doubtful parts of a pod or of a template; `prefix` is what stands before `metadata` and `spec`. */
export function podWarnings(pod: Pick<Pod, 'metadata' | 'spec'>, prefix = ''): readonly string[] {
  const annotations = Object.keys(pod.metadata?.annotations ?? {})
    .filter((key) => Object.hasOwn(ANNOTATIONS, key))
    .map((key) => `${prefix}metadata.annotations[${key}]: ${ANNOTATIONS[key]}`)
  return [...annotations, ...(pod.spec === undefined ? [] : specWarnings(pod.spec, `${prefix}spec`))]
}

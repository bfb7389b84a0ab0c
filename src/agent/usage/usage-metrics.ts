import type { MetricFamily, MetricSample } from '../../base/metric-families.ts'
import type { ContainerState, SandboxState } from '../runtime/runtime.ts'
import { podUsage } from './build-summary.ts'
import type { UsageSample } from './usage-sampler.ts'
import { type ContainerUsage, usageKey } from './usage-source.ts'

type Labels = Readonly<Record<string, string>>

interface Running {
  readonly labels: Labels
  readonly state: ContainerState
  readonly usage: ContainerUsage
}

const NANOSECONDS = 1e9

function running(sample: UsageSample, sandboxes: readonly SandboxState[]): readonly Running[] {
  return sandboxes.flatMap(({ podUid, podName: pod, podNamespace: namespace, containers }) =>
    containers.flatMap((state) => {
      const usage = state.phase === 'running' ? sample.containers.get(usageKey(podUid, state.name)) : undefined
      return usage === undefined ? [] : [{ labels: { container: state.name, namespace, pod }, state, usage }]
    }),
  )
}

function family(
  name: string,
  type: MetricFamily['type'],
  help: string,
  samples: () => Iterable<MetricSample>,
): MetricFamily {
  return { name, type, help, samples }
}

/** `/metrics/resource`: what metrics-server and autoscalers read. `sample` is undefined when it could not be taken. */
export function resourceMetrics(
  sample: UsageSample | undefined,
  sandboxes: readonly SandboxState[],
): readonly MetricFamily[] {
  const error = (name: string): MetricFamily =>
    family(name, 'gauge', '1 if there was an error while getting container metrics, 0 otherwise', () => [
      { value: sample === undefined ? 1 : 0 },
    ])
  // The newer name and the one before it, as the kubelet has them.
  const errors = [error('resource_scrape_error'), error('scrape_error')]
  if (sample === undefined) return errors
  const containers = running(sample, sandboxes)
  const pods = sandboxes.flatMap((sandbox) => {
    const usage = podUsage(sandbox, sample)
    return usage === undefined ? [] : [{ labels: { namespace: sandbox.podNamespace, pod: sandbox.podName }, usage }]
  })
  const { machine } = sample
  return [
    family('container_cpu_usage_seconds_total', 'counter', 'CPU time of the container in core-seconds', () =>
      containers.map(({ labels, usage }) => ({ labels, value: usage.cpuNanoseconds / NANOSECONDS })),
    ),
    family('container_memory_working_set_bytes', 'gauge', 'Working set of the container in bytes', () =>
      containers.map(({ labels, usage }) => ({ labels, value: usage.workingSetBytes })),
    ),
    family('container_start_time_seconds', 'gauge', 'Start of the container since the epoch in seconds', () =>
      containers.map(({ labels, state }) => ({ labels, value: state.startedAtMs / 1000 })),
    ),
    family('node_cpu_usage_seconds_total', 'counter', 'CPU time of the node in core-seconds', () => [
      { value: machine.cpuNanoseconds / NANOSECONDS },
    ]),
    family('node_memory_working_set_bytes', 'gauge', 'Working set of the node in bytes', () => [
      { value: machine.memory.workingSetBytes },
    ]),
    family('pod_cpu_usage_seconds_total', 'counter', 'CPU time of the pod in core-seconds', () =>
      pods.map(({ labels, usage }) => ({ labels, value: usage.cpuNanoseconds / NANOSECONDS })),
    ),
    family('pod_memory_working_set_bytes', 'gauge', 'Working set of the pod in bytes', () =>
      pods.map(({ labels, usage }) => ({ labels, value: usage.workingSetBytes })),
    ),
    ...errors,
  ]
}

/** `/metrics/cadvisor`: the series that dashboards most use, under cAdvisor's names. */
export function cadvisorMetrics(
  sample: UsageSample,
  sandboxes: readonly SandboxState[],
  cores: number,
): readonly MetricFamily[] {
  const containers = running(sample, sandboxes).map(({ labels, state, usage }) => ({
    labels: { ...labels, id: `/${state.podUid}/${state.id}`, image: state.image ?? '', name: state.id },
    state,
    usage,
  }))
  const gauge = (name: string, help: string, read: (container: Running) => number): MetricFamily =>
    family(name, 'gauge', help, () => containers.map((c) => ({ labels: c.labels, value: read(c) })))
  return [
    family('container_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed in seconds.', () =>
      containers.map(({ labels, usage }) => ({
        labels: { ...labels, cpu: 'total' },
        value: usage.cpuNanoseconds / NANOSECONDS,
      })),
    ),
    gauge('container_memory_working_set_bytes', 'Current working set in bytes.', ({ usage }) => usage.workingSetBytes),
    gauge('container_memory_usage_bytes', 'Current memory usage in bytes.', ({ usage }) => usage.workingSetBytes),
    gauge('container_memory_rss', 'Size of RSS in bytes.', ({ usage }) => usage.rssBytes),
    gauge('container_processes', 'Number of processes running inside the container.', ({ usage }) => usage.processes),
    gauge('container_last_seen', 'Last time a container was seen', () => Math.floor(sample.atMs / 1000)),
    gauge('container_start_time_seconds', 'Start time of the container since unix epoch in seconds.', ({ state }) =>
      Math.floor(state.startedAtMs / 1000),
    ),
    family('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.', () => [{ value: cores }]),
    family('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.', () => [
      { value: sample.machine.memory.capacityBytes },
    ]),
  ]
}

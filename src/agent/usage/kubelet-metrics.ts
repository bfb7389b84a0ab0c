import type { Clock } from '../../base/clock.ts'
import type { MetricFamily } from '../../base/metric-families.ts'
import { processMetrics } from '../../base/process-metrics.ts'
import type { SandboxState } from '../runtime/runtime.ts'

/** A pod that is over keeps its logs, and its sandbox with them. */
function isRunning({ containers }: SandboxState): boolean {
  return containers.some(({ phase }) => phase === 'running')
}

/** `/metrics` of a node: what the agent says of its own work, under the kubelet's names. */
export function kubeletMetrics(
  nodeName: string,
  sandboxes: readonly SandboxState[],
  clock: Clock,
): readonly MetricFamily[] {
  const states = Map.groupBy(
    sandboxes.flatMap(({ containers }) => containers),
    ({ phase }) => phase,
  )
  return [
    {
      name: 'kubelet_node_name',
      type: 'gauge',
      help: "The node's name. The count is always 1.",
      samples: () => [{ labels: { node: nodeName }, value: 1 }],
    },
    {
      name: 'kubelet_running_pods',
      type: 'gauge',
      help: 'Number of pods that have a running container',
      samples: () => [{ value: sandboxes.filter(isRunning).length }],
    },
    {
      name: 'kubelet_running_containers',
      type: 'gauge',
      help: 'Number of containers currently running',
      samples: () =>
        (['created', 'exited', 'running'] as const).map((state) => ({
          labels: { container_state: state },
          value: states.get(state)?.length ?? 0,
        })),
    },
    ...processMetrics(clock),
  ]
}

import { readdirSync } from 'node:fs'
import type { Clock } from './clock.ts'
import type { MetricFamily, MetricSample } from './metric-families.ts'

function one(value: number): readonly MetricSample[] {
  return [{ value }]
}

/** What every Prometheus client tells of its own process. */
export function processMetrics(clock: Clock): readonly MetricFamily[] {
  return [
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      help: 'User and system CPU time in seconds',
      samples() {
        const { user, system } = process.cpuUsage()
        return one((user + system) / 1e6)
      },
    },
    {
      name: 'process_resident_memory_bytes',
      type: 'gauge',
      help: 'Resident memory size in bytes',
      samples: () => one(process.memoryUsage.rss()),
    },
    {
      name: 'process_open_fds',
      type: 'gauge',
      help: 'Open file descriptors',
      samples: () => one(readdirSync('/proc/self/fd').length),
    },
    {
      name: 'process_start_time_seconds',
      type: 'gauge',
      help: 'Start time since the epoch in seconds',
      samples: () => one(clock.now() / 1000 - process.uptime()),
    },
  ]
}

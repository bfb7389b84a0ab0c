import { readdirSync, readFileSync } from 'node:fs'
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
      name: 'process_virtual_memory_bytes',
      type: 'gauge',
      help: 'Virtual memory size in bytes',
      samples: () =>
        one(Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) * 1024),
    },
    {
      name: 'process_max_fds',
      type: 'gauge',
      help: 'Maximum number of open file descriptors',
      samples: () => one(Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0)),
    },
    {
      name: 'nodejs_heap_size_used_bytes',
      type: 'gauge',
      help: 'Heap of the program in use, in bytes',
      samples: () => one(process.memoryUsage().heapUsed),
    },
    {
      name: 'nodejs_event_loop_active_seconds_total',
      type: 'counter',
      help: 'Time that the event loop was at work, in seconds; its rate is the share of a core',
      samples: () => one(performance.eventLoopUtilization().active / 1000),
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

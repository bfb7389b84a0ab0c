import type { PodMemory } from '../../../src/agent/pod/pod-memory.ts'
import type { ContainerState, SandboxState } from '../../../src/agent/runtime/runtime.ts'
import type { Pod, PodSpec, PodStatus } from '../../../src/api/types/core-v1.gen.ts'

export const NOW = Date.UTC(2026, 0, 1)
export const UID = 'aaaaaaaa-0000-0000-0000-000000000001'

export function podOf(spec: Partial<PodSpec>, more: Partial<Pod> = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: UID, generation: 1, ...more.metadata },
    spec: {
      containers: [{ name: 'main', image: 'node' }],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      ...spec,
    },
    ...(more.status === undefined ? {} : { status: more.status }),
  }
}

export function memoryOf(more: Partial<PodMemory> = {}): PodMemory {
  return {
    runtimeName: 'process',
    hostIp: '127.70.0.1',
    ip: '127.70.129.4',
    volumesReady: true,
    busy: new Map(),
    failures: new Map(),
    crashDelays: new Map(),
    probes: new Map(),
    gone: false,
    evicted: undefined,
    endingSinceMs: undefined,
    drained: false,
    ...more,
  }
}

export function running(name: string, attempt = 0, startedAtMs = NOW - 1_000): ContainerState {
  return { id: `${UID}.${name}.${attempt}`, podUid: UID, name, attempt, phase: 'running', startedAtMs }
}

export function exited(name: string, exitCode: number, attempt = 0, finishedAtMs = NOW - 500): ContainerState {
  const reason = exitCode === 0 ? 'Completed' : 'Error'
  return { ...running(name, attempt, finishedAtMs - 1_000), phase: 'exited', exitCode, finishedAtMs, reason }
}

export function sandboxOf(...containers: ContainerState[]): SandboxState {
  return { podUid: UID, podName: 'web', podNamespace: 'shop', ip: '127.70.129.4', containers }
}

/** `Ready=False ContainersNotReady`, for short comparisons. */
export function conditionText(status: PodStatus, type: string): string {
  const condition = status.conditions?.find((c) => c.type === type)
  return [`${type}=${condition?.status}`, condition?.reason].filter((part) => part !== undefined).join(' ')
}

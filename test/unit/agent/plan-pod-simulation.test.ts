import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planPod } from '../../../src/agent/pod/plan-pod.ts'
import type { PodAction } from '../../../src/agent/pod/pod-action.ts'
import { podContainers } from '../../../src/agent/pod/pod-containers.ts'
import type { Busy, Failure, ProbeSummary } from '../../../src/agent/pod/pod-memory.ts'
import type { ContainerState } from '../../../src/agent/runtime/runtime.ts'
import type { Container, Pod } from '../../../src/api/types/core-v1.gen.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { memoryOf, podOf, sandboxOf, UID } from './plan-fixture.ts'

interface Step {
  readonly afterMs: number
  /** Which fault, and for which container (by position). */
  readonly fault: 'exit0' | 'exit1' | 'liveness' | 'started' | 'forgetAgent' | 'startFails' | 'none'
  readonly target: number
}

interface Scenario {
  readonly restartPolicy: string
  readonly init: readonly ('init' | 'sidecar')[]
  readonly mains: number
  readonly steps: readonly Step[]
  readonly deleteGrace: number | undefined
  readonly vanishes: boolean
  readonly latency: number
}

const SCENARIO: fc.Arbitrary<Scenario> = fc.record({
  restartPolicy: fc.constantFrom('Always', 'OnFailure', 'Never'),
  init: fc.array(fc.constantFrom('init' as const, 'sidecar' as const), { maxLength: 3 }),
  mains: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(
    fc.record({
      afterMs: fc.integer({ min: 0, max: 40_000 }),
      fault: fc.constantFrom('exit0', 'exit1', 'liveness', 'started', 'forgetAgent', 'startFails', 'none'),
      target: fc.nat(5),
    }) as fc.Arbitrary<Step>,
    { maxLength: 25 },
  ),
  deleteGrace: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  vanishes: fc.boolean(),
  latency: fc.integer({ min: 0, max: 3_000 }),
})

/** A runtime and an agent's memory that carry out plans with delays, and check at every moment what must always hold. */
class World {
  readonly clock = new VirtualClock()
  pod: Pod
  finished = false
  readonly #latency: number
  readonly #states = new Map<string, ContainerState>()
  #hasSandbox = false
  #volumesReady = false
  #ip: string | undefined
  #busy = new Map<string, Busy>()
  #failures = new Map<string, Failure>()
  #crashDelays = new Map<string, number>()
  #probes = new Map<string, ProbeSummary>()
  #endingSinceMs: number | undefined
  #drained = false
  #generation = 0
  #failNextStart = false
  #maxAttempt = new Map<string, number>()
  gone = false
  plans = 0
  #recheck: { cancel(): void } | undefined

  constructor(scenario: Scenario) {
    this.#latency = scenario.latency
    const initContainers = scenario.init.map((kind, i): Container => {
      return kind === 'sidecar' ? { name: `s${i}`, restartPolicy: 'Always', startupProbe: {} } : { name: `i${i}` }
    })
    const containers = Array.from({ length: scenario.mains }, (_, i) => ({ name: `m${i}`, livenessProbe: {} }))
    this.pod = podOf({ restartPolicy: scenario.restartPolicy, initContainers, containers })
  }

  get running(): readonly ContainerState[] {
    return [...this.#states.values()].filter(({ phase }) => phase === 'running')
  }

  /** One agent's look; plans until nothing is left to begin at this moment. */
  look(): void {
    if (this.finished) return
    const observed = this.#hasSandbox ? sandboxOf(...this.#states.values()) : undefined
    const memory = memoryOf({
      ip: this.#ip,
      volumesReady: this.#volumesReady,
      busy: this.#busy,
      failures: this.#failures,
      crashDelays: this.#crashDelays,
      probes: this.#probes,
      gone: this.gone,
      endingSinceMs: this.#endingSinceMs,
      drained: this.#drained,
    })
    const plan = planPod(this.pod, observed, memory, this.clock.now())
    this.plans += 1
    if (plan.ending !== undefined) this.#endingSinceMs ??= this.clock.now()
    this.#checkStatus(plan.status)
    this.pod = { ...this.pod, status: { ...this.pod.status, ...plan.status } }
    for (const action of plan.actions) this.#begin(action)
    this.#recheck?.cancel()
    if (plan.recheckAtMs !== undefined) {
      assert.ok(plan.recheckAtMs > this.clock.now())
      this.#recheck = this.clock.setTimer(plan.recheckAtMs - this.clock.now(), () => this.look())
    }
  }

  fault({ fault, target }: Step): void {
    const state = this.running[target % Math.max(1, this.running.length)]
    if (fault === 'startFails') this.#failNextStart = true
    else if (fault === 'forgetAgent') this.#forget()
    else if (state !== undefined && (fault === 'exit0' || fault === 'exit1'))
      this.#exit(state.id, fault === 'exit0' ? 0 : 1)
    else if (state !== undefined && fault === 'started') this.#probe(state, { started: true, ready: true })
    else if (state !== undefined && fault === 'liveness')
      this.#probe(state, { started: true, ready: false, failed: { probe: 'liveness' } })
    this.look()
  }

  /** The agent is killed and another one begins: only the runtime's state and the API object stay. */
  #forget(): void {
    this.#generation += 1
    this.#busy = new Map()
    this.#failures = new Map()
    this.#crashDelays = new Map()
    this.#probes = new Map()
    this.#endingSinceMs = undefined
    this.#drained = false
    this.#volumesReady = false
    const isOver = this.pod.status?.phase === 'Succeeded' || this.pod.status?.phase === 'Failed'
    if (!this.#hasSandbox || isOver) this.#ip = undefined
  }

  #probe(state: ContainerState, summary: Omit<ProbeSummary, 'attempt'>): void {
    this.#probes.set(state.name, { attempt: state.attempt, ...summary })
  }

  #exit(id: string, exitCode: number): void {
    const state = this.#states.get(id)
    if (state?.phase !== 'running') return
    const reason = exitCode === 0 ? 'Completed' : 'Error'
    this.#states.set(id, { ...state, phase: 'exited', exitCode, reason, finishedAtMs: this.clock.now() })
  }

  #occupy(key: string, busy: Busy, delayMs: number, work: () => void): void {
    const generation = this.#generation
    this.#busy.set(key, busy)
    this.clock.setTimer(delayMs, () => {
      // What a killed agent had begun in its own head ends with it; stops of the runtime go on.
      if (generation !== this.#generation && busy.kind !== 'stop') return
      work()
      if (generation === this.#generation && this.#busy.get(key) === busy) this.#busy.delete(key)
      this.look()
    })
  }

  #begin(action: PodAction): void {
    switch (action.kind) {
      case 'createSandbox':
        this.#occupy('#sandbox', { kind: 'work' }, this.#latency, () => {
          this.#hasSandbox = true
          this.#ip = '127.70.129.4'
        })
        return
      case 'prepareVolumes':
        this.#occupy('#volumes', { kind: 'work' }, this.#latency, () => {
          this.#volumesReady = true
        })
        return
      case 'startContainer':
        this.#start(action)
        return
      case 'stopContainer':
        assert.ok(action.graceMs > 0)
        this.#occupy(
          action.container.name,
          { kind: 'stop', deadlineMs: this.clock.now() + action.graceMs },
          Math.min(this.#latency * 3, action.graceMs),
          () => this.#exit(action.id, 143),
        )
        return
      case 'removeContainer':
        assert.equal(this.#states.get(action.id)?.phase, 'exited', 'only ended attempts are removed')
        this.#states.delete(action.id)
        return
      case 'drain':
        assert.ok(action.limitMs <= 10_000)
        this.#occupy('#drain', { kind: 'work' }, Math.min(this.#latency, action.limitMs), () => {
          this.#drained = true
        })
        return
      case 'release':
        assert.deepEqual(this.running, [])
        this.#ip = undefined
        return
      case 'finish':
        assert.deepEqual(this.running, [], 'nothing runs at the end')
        this.finished = true
    }
  }

  #start(action: Extract<PodAction, { kind: 'startContainer' }>): void {
    const { container, attempt, crashDelayMs } = action
    const { name } = container
    assert.ok(!this.#busy.has(name), `${name} is busy`)
    assert.ok(!this.running.some((state) => state.name === name), `two attempts of ${name} at once`)
    assert.ok(attempt > (this.#maxAttempt.get(name) ?? -1), `attempt ${attempt} of ${name} twice`)
    assert.equal(this.pod.metadata?.deletionTimestamp, undefined, 'nothing starts in a deleted pod')
    this.#checkOrder(name, container.kind)
    if (crashDelayMs !== undefined) {
      assert.ok(crashDelayMs >= 10_000 && crashDelayMs <= 300_000)
      this.#crashDelays.set(name, crashDelayMs)
    }
    const fails = this.#failNextStart
    this.#failNextStart = false
    if (fails) {
      this.#occupy(name, { kind: 'start' }, this.#latency, () => {
        const retryAtMs = this.clock.now() + 1_000
        this.#failures.set(name, { reason: 'CreateContainerConfigError', message: 'no', retryAtMs })
      })
      return
    }
    this.#failures.delete(name)
    this.#maxAttempt.set(name, attempt)
    const id = `${UID}.${name}.${attempt}`
    const startedAtMs = this.clock.now()
    this.#states.set(id, { id, podUid: UID, name, attempt, phase: 'running', startedAtMs })
    this.#occupy(name, { kind: 'start' }, this.#latency, () => {})
  }

  /** Everything before a container in the list is done (init) or runs and has started (sidecar). */
  #checkOrder(name: string, kind: string): void {
    const containers = podContainers(this.pod)
    const mainHasRun = [...this.#maxAttempt.keys()].some((other) => other.startsWith('m'))
    if (mainHasRun) {
      assert.notEqual(kind, 'init', 'an init container after the main ones')
      return
    }
    for (const before of containers) {
      if (before.name === name || before.kind === 'main') break
      const latest = [...this.#states.values()]
        .filter((s) => s.name === before.name)
        .sort((a, b) => b.attempt - a.attempt)[0]
      if (before.kind === 'init') assert.equal(latest?.exitCode, 0, `${name} before ${before.name} succeeded`)
      else assert.equal(latest?.phase, 'running', `${name} before ${before.name} runs`)
    }
  }

  #checkStatus(status: NonNullable<Pod['status']>): void {
    const before = this.pod.status
    const wasOver = before?.phase === 'Succeeded' || before?.phase === 'Failed'
    if (wasOver) assert.equal(status.phase, before.phase, 'an end is final')
    if (status.phase === 'Succeeded' || status.phase === 'Failed') if (!wasOver) assert.deepEqual(this.running, [])
    for (const key of ['containerStatuses', 'initContainerStatuses'] as const)
      for (const container of status[key] ?? []) {
        const previous = before?.[key]?.find(({ name }) => name === container.name)
        assert.ok(container.restartCount >= (previous?.restartCount ?? 0), 'restart counts never go back')
        assert.equal(Object.keys(container.state ?? {}).length, 1, 'one state at a time')
        if (container.ready && container.name.startsWith('m')) assert.ok(container.state?.running !== undefined)
      }
    const isReady = status.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
    if (isReady) assert.ok((status.containerStatuses ?? []).every(({ ready }) => ready))
  }
}

test('any order of ends, probes, failures, agent deaths and deletion keeps the rules and converges', async () => {
  await fc.assert(
    fc.asyncProperty(SCENARIO, async (scenario) => {
      const world = new World(scenario)
      world.look()
      for (const step of scenario.steps) {
        await world.clock.advance(step.afterMs)
        world.fault(step)
      }
      // With no more faults, sidecars start, and after the longest back-off everything that should run does.
      for (let i = 0; i < 80; i++) {
        await world.clock.advance(10_000)
        for (const [position, state] of world.running.entries())
          if (state.name.startsWith('s')) world.fault({ afterMs: 0, fault: 'started', target: position })
        // Init containers do their work and end.
        for (const [position, state] of world.running.entries())
          if (state.name.startsWith('i')) world.fault({ afterMs: 0, fault: 'exit0', target: position })
      }
      const { phase } = world.pod.status ?? {}
      if (phase === 'Running') assert.ok(world.running.some(({ name }) => name.startsWith('m')))
      else assert.ok(phase === 'Succeeded' || phase === 'Failed', `${phase} for ever`)
      if (phase !== 'Running') assert.deepEqual(world.running, [])

      if (scenario.deleteGrace !== undefined) {
        const at = world.clock.now() + scenario.deleteGrace * 1000
        const metadata = {
          ...world.pod.metadata,
          deletionTimestamp: new Date(at).toISOString(),
          deletionGracePeriodSeconds: scenario.deleteGrace,
        }
        world.pod = { ...world.pod, metadata }
        world.look()
        await world.clock.advance(scenario.vanishes ? 100 : 300_000)
      }
      if (scenario.deleteGrace === undefined || scenario.vanishes) {
        world.gone = true
        world.look()
        await world.clock.advance(60_000)
      }
      assert.equal(world.finished, true, 'it ends')
      const plans = world.plans
      assert.ok(plans < 5_000, `${plans} plans`)
    }),
    { numRuns: 300 },
  )
})

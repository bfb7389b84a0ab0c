import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PodPlan, planPod } from '../../../src/agent/pod/plan-pod.ts'
import type { PodAction } from '../../../src/agent/pod/pod-action.ts'
import type { PodMemory } from '../../../src/agent/pod/pod-memory.ts'
import type { SandboxState } from '../../../src/agent/runtime/runtime.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { conditionText, exited, memoryOf, NOW, podOf, running, sandboxOf } from './plan-fixture.ts'

function actionText(action: PodAction): string {
  switch (action.kind) {
    case 'startContainer':
      return `start ${action.container.name}/${action.attempt}`
    case 'stopContainer':
      return `stop ${action.container.name} ${action.graceMs}`
    case 'removeContainer':
      return `remove ${action.id.split('.').slice(1).join('/')}`
    case 'drain':
      return `drain ${action.limitMs}`
    case 'finish':
      return action.deleteObject ? 'finish and delete' : 'finish'
    default:
      return action.kind
  }
}

interface Row {
  readonly name: string
  readonly pod: Pod
  readonly observed?: SandboxState
  readonly memory?: Partial<PodMemory>
  readonly actions: readonly string[]
  readonly phase?: string
  readonly check?: (plan: PodPlan) => void
}

const INIT = { initContainers: [{ name: 'one' }, { name: 'two' }] }
const SIDECAR = {
  initContainers: [
    { name: 'proxy', restartPolicy: 'Always' },
    { name: 'log', restartPolicy: 'Always' },
  ],
}
const deleted = (graceSeconds: number): Pod['metadata'] => ({
  deletionTimestamp: new Date(NOW + graceSeconds * 1000).toISOString(),
  deletionGracePeriodSeconds: graceSeconds,
})
const state = (plan: PodPlan, name: string): unknown =>
  [...(plan.status.initContainerStatuses ?? []), ...(plan.status.containerStatuses ?? [])].find((s) => s.name === name)
    ?.state

const ROWS: readonly Row[] = [
  { name: 'a new pod gets its sandbox first', pod: podOf({}), actions: ['createSandbox'], phase: 'Pending' },
  {
    name: 'then its volumes',
    pod: podOf({}),
    observed: sandboxOf(),
    memory: { volumesReady: false },
    actions: ['prepareVolumes'],
  },
  { name: 'then its containers', pod: podOf({}), observed: sandboxOf(), actions: ['start main/0'] },
  {
    name: 'what is under way is not begun twice',
    pod: podOf({}),
    observed: sandboxOf(),
    memory: { busy: new Map([['main', { kind: 'start' }]]) },
    actions: [],
  },
  {
    name: 'a running pod needs nothing',
    pod: podOf({}),
    observed: sandboxOf(running('main')),
    actions: [],
    phase: 'Running',
    check({ status }) {
      assert.equal(conditionText(status, 'Ready'), 'Ready=True')
      assert.equal(status.podIP, '127.70.129.4')
    },
  },
  {
    name: 'init containers run one after another',
    pod: podOf(INIT),
    observed: sandboxOf(running('one')),
    actions: [],
    phase: 'Pending',
    check(plan) {
      assert.equal(
        plan.status.conditions?.find((c) => c.type === 'Initialized')?.message,
        'containers with incomplete status: [one two]',
      )
      assert.deepEqual(state(plan, 'main'), { waiting: { reason: 'PodInitializing' } })
    },
  },
  {
    name: 'the next init container follows a success',
    pod: podOf(INIT),
    observed: sandboxOf(exited('one', 0)),
    actions: ['start two/0'],
  },
  {
    name: 'main containers follow the last init container',
    pod: podOf(INIT),
    observed: sandboxOf(exited('one', 0), exited('two', 0)),
    actions: ['start main/0'],
  },
  {
    name: 'a failed init container is tried again',
    pod: podOf(INIT),
    observed: sandboxOf(exited('one', 1)),
    actions: ['start one/1'],
    phase: 'Pending',
  },
  {
    name: 'a failed init container fails a pod that never restarts',
    pod: podOf({ ...INIT, restartPolicy: 'Never' }),
    observed: sandboxOf(exited('one', 1)),
    actions: ['release'],
    phase: 'Failed',
  },
  {
    name: 'init containers do not run again once the main ones have',
    pod: podOf(INIT),
    observed: sandboxOf(exited('one', 0), exited('main', 1)),
    actions: ['start main/1'],
  },
  {
    name: 'a sidecar without a startup probe lets the next go ahead once it runs',
    pod: podOf(SIDECAR),
    observed: sandboxOf(running('proxy')),
    actions: ['start log/0'],
  },
  {
    name: 'a sidecar with a startup probe holds the others back',
    pod: podOf({ initContainers: [{ name: 'proxy', restartPolicy: 'Always', startupProbe: {} }] }),
    observed: sandboxOf(running('proxy')),
    memory: { probes: new Map([['proxy', { attempt: 0, started: false, ready: false }]]) },
    actions: [],
    phase: 'Pending',
  },
  {
    name: 'a crashed sidecar is started again beside the others',
    pod: podOf(SIDECAR),
    observed: sandboxOf(exited('proxy', 1), running('log'), running('main')),
    actions: ['start proxy/1'],
    phase: 'Running',
  },
  {
    name: 'the second crash waits ten seconds',
    pod: podOf({}),
    observed: sandboxOf(exited('main', 1, 1), exited('main', 1, 0)),
    memory: { crashDelays: new Map([['main', 10_000]]) },
    actions: [],
    phase: 'Running',
    check(plan) {
      assert.equal(plan.recheckAtMs, NOW - 500 + 10_000)
      assert.deepEqual(state(plan, 'main'), {
        waiting: {
          reason: 'CrashLoopBackOff',
          message: `back-off 10s restarting failed container=main pod=web_shop(${podOf({}).metadata?.uid})`,
        },
      })
      assert.equal(plan.status.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 1)
      assert.equal(plan.status.containerStatuses?.[0]?.restartCount, 1)
      assert.equal(plan.notices[0]?.reason, 'BackOff')
      assert.equal(conditionText(plan.status, 'Ready'), 'Ready=False ContainersNotReady')
    },
  },
  {
    name: 'after ten minutes of running the wait begins anew',
    pod: podOf({}),
    observed: sandboxOf({ ...exited('main', 1, 7), startedAtMs: NOW - 700_000 }),
    memory: { crashDelays: new Map([['main', 300_000]]) },
    actions: ['start main/8'],
    check: ({ actions }) => assert.equal(actions[0]?.kind === 'startContainer' && actions[0].crashDelayMs, 10_000),
  },
  {
    name: 'only the last two attempts are kept',
    pod: podOf({}),
    observed: sandboxOf(running('main', 3), exited('main', 1, 2), exited('main', 1, 1)),
    actions: ['remove main/1'],
  },
  {
    name: 'OnFailure: a success is the end',
    pod: podOf({ restartPolicy: 'OnFailure' }),
    observed: sandboxOf(exited('main', 0)),
    actions: ['release'],
    phase: 'Succeeded',
    check: ({ status }) => assert.equal(conditionText(status, 'Ready'), 'Ready=False PodCompleted'),
  },
  {
    name: 'OnFailure: a failure is not',
    pod: podOf({ restartPolicy: 'OnFailure' }),
    observed: sandboxOf(exited('main', 3)),
    actions: ['start main/1'],
    phase: 'Running',
  },
  {
    name: 'Never: a failure fails the pod',
    pod: podOf({ restartPolicy: 'Never' }),
    observed: sandboxOf(exited('main', 3)),
    actions: ['release'],
    phase: 'Failed',
  },
  {
    name: 'Never: a rule of the container may say otherwise',
    pod: podOf({
      restartPolicy: 'Never',
      containers: [
        { name: 'main', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [3] } }] },
      ],
    }),
    observed: sandboxOf(exited('main', 3)),
    actions: ['start main/1'],
  },
  {
    name: 'when all is done the sidecars end, the last one first, and the pod still runs',
    pod: podOf({ ...SIDECAR, restartPolicy: 'Never' }),
    observed: sandboxOf(running('proxy'), running('log'), exited('main', 0)),
    memory: { endingSinceMs: NOW },
    actions: ['stop log 30000'],
    phase: 'Running',
  },
  {
    name: 'a configuration error shows and is tried again later',
    pod: podOf({}),
    observed: sandboxOf(),
    memory: {
      failures: new Map([
        ['main', { reason: 'CreateContainerConfigError', message: 'configmap "x" not found', retryAtMs: NOW + 5 }],
      ]),
    },
    actions: [],
    phase: 'Pending',
    check(plan) {
      assert.deepEqual(state(plan, 'main'), {
        waiting: { reason: 'CreateContainerConfigError', message: 'configmap "x" not found' },
      })
      assert.equal(plan.recheckAtMs, NOW + 5)
    },
  },
  {
    name: 'an unhealthy container is stopped with the grace of its probe',
    pod: podOf({ containers: [{ name: 'main', livenessProbe: {} }] }),
    observed: sandboxOf(running('main')),
    memory: {
      probes: new Map([
        ['main', { attempt: 0, started: true, ready: true, failed: { probe: 'liveness', graceMs: 7_000 } }],
      ]),
    },
    actions: ['stop main 7000'],
    check: ({ actions }) =>
      assert.equal(
        actions[0]?.kind === 'stopContainer' && actions[0].why,
        'Container main failed liveness probe, will be restarted',
      ),
  },
  {
    name: 'a verdict on an earlier attempt says nothing of this one',
    pod: podOf({ containers: [{ name: 'main', livenessProbe: {}, readinessProbe: {} }] }),
    observed: sandboxOf(running('main', 1)),
    memory: { probes: new Map([['main', { attempt: 0, started: true, ready: true, failed: { probe: 'liveness' } }]]) },
    actions: [],
    check: ({ status }) => assert.equal(status.containerStatuses?.[0]?.ready, false),
  },
  {
    name: 'a readiness gate must be true as well',
    pod: podOf({ readinessGates: [{ conditionType: 'example.com/lb' }] }),
    observed: sandboxOf(running('main')),
    actions: [],
    check({ status }) {
      assert.equal(conditionText(status, 'ContainersReady'), 'ContainersReady=True')
      assert.equal(conditionText(status, 'Ready'), 'Ready=False ReadinessGatesNotReady')
    },
  },
  {
    name: 'during postStart the container is not running yet',
    pod: podOf({}),
    observed: sandboxOf(running('main')),
    memory: { busy: new Map([['main', { kind: 'start' }]]) },
    actions: [],
    phase: 'Pending',
    check: (plan) => assert.deepEqual(state(plan, 'main'), { waiting: { reason: 'ContainerCreating' } }),
  },
  {
    name: 'past its deadline a pod is stopped',
    pod: podOf({ activeDeadlineSeconds: 60 }, { status: { startTime: new Date(NOW - 60_000).toISOString() } }),
    observed: sandboxOf(running('main')),
    actions: ['stop main 30000'],
    check({ status, notices }) {
      assert.equal(status.reason, 'DeadlineExceeded')
      assert.deepEqual(
        notices.map(({ type, reason, message }) => `${type} ${reason}: ${message}`),
        ['Normal DeadlineExceeded: Pod was active on the node longer than the specified deadline'],
      )
    },
  },
  {
    name: 'and then it has failed',
    pod: podOf({ activeDeadlineSeconds: 60 }, { status: { startTime: new Date(NOW - 90_000).toISOString() } }),
    observed: sandboxOf(exited('main', 0)),
    actions: ['release'],
    phase: 'Failed',
  },
  {
    name: 'a pod that takes too much is stopped within a second',
    pod: podOf({}),
    observed: sandboxOf(running('main')),
    memory: { evicted: 'too much' },
    actions: ['stop main 1000'],
    phase: 'Running',
    check({ status }) {
      assert.deepEqual([status.reason, status.message], ['Evicted', 'too much'])
      assert.equal(conditionText(status, 'DisruptionTarget'), 'DisruptionTarget=True TerminationByKubelet')
    },
  },
  {
    name: 'and has failed then, whatever its policy',
    pod: podOf({}),
    observed: sandboxOf(exited('main', 0)),
    memory: { evicted: 'too much' },
    actions: ['release'],
    phase: 'Failed',
    check: ({ status }) => assert.equal(status.reason, 'Evicted'),
  },
  {
    name: 'a pod deleted while it is evicted says why all the same',
    pod: podOf({}, { metadata: deleted(30), status: { reason: 'Evicted', message: 'too much' } }),
    observed: sandboxOf(exited('main', 0)),
    actions: ['finish and delete'],
    phase: 'Failed',
    check: ({ status }) => assert.equal(status.message, 'too much'),
  },
  {
    name: 'a new image replaces the container',
    pod: podOf({}),
    observed: sandboxOf({ ...running('main'), image: 'old' }),
    actions: ['stop main 30000'],
    check: ({ actions }) =>
      assert.equal((actions[0] as { why: string }).why, 'Container main definition changed, will be restarted'),
  },
  {
    name: 'the same image does not',
    pod: podOf({}),
    observed: sandboxOf({ ...running('main'), image: 'node' }),
    actions: [],
  },
  {
    name: 'nor a new one where nothing is started again',
    pod: podOf({ restartPolicy: 'Never' }),
    observed: sandboxOf({ ...running('main'), image: 'old' }),
    actions: [],
  },
  {
    name: 'a deleted pod is drained first, for at most half its grace',
    pod: podOf({}, { metadata: deleted(8) }),
    observed: sandboxOf(running('main')),
    actions: ['drain 4000'],
    check: ({ status }) => assert.equal(conditionText(status, 'Ready'), 'Ready=True'),
  },
  {
    name: 'then its containers are stopped with what is left of the grace',
    pod: podOf({}, { metadata: deleted(8) }),
    observed: sandboxOf(running('main')),
    memory: { drained: true, endingSinceMs: NOW - 3_000 },
    actions: ['stop main 5000'],
  },
  {
    name: 'less grace asked for later shortens a stop',
    pod: podOf({}, { metadata: deleted(5) }),
    observed: sandboxOf(running('main')),
    memory: {
      drained: true,
      endingSinceMs: NOW,
      busy: new Map([['main', { kind: 'stop', deadlineMs: NOW + 30_000 }]]),
    },
    actions: ['stop main 5000'],
  },
  {
    name: 'sidecars outlive the main containers',
    pod: podOf(SIDECAR, { metadata: deleted(30) }),
    observed: sandboxOf(running('proxy'), running('log'), running('main')),
    memory: { drained: true, endingSinceMs: NOW },
    actions: ['stop main 30000'],
  },
  {
    name: 'a container that ends during deletion is not started again',
    pod: podOf({}, { metadata: deleted(30) }),
    observed: sandboxOf(exited('main', 0)),
    actions: ['finish and delete'],
    phase: 'Succeeded',
  },
  {
    name: 'a pod deleted before anything ran is finished at once',
    pod: podOf({}, { metadata: deleted(30) }),
    actions: ['finish and delete'],
    phase: 'Failed',
  },
  {
    name: 'a pod whose object is gone is killed without drain',
    pod: podOf({}),
    observed: sandboxOf(running('main')),
    memory: { gone: true },
    actions: ['stop main 1000'],
  },
  {
    name: 'and then forgotten',
    pod: podOf({}),
    observed: sandboxOf(exited('main', 137)),
    memory: { gone: true },
    actions: ['finish'],
  },
  {
    name: 'a container that the runtime has lost goes on counting',
    pod: podOf(
      {},
      {
        status: {
          containerStatuses: [
            {
              name: 'main',
              image: '',
              imageID: '',
              ready: true,
              restartCount: 4,
              containerID: 'process://x',
              state: { running: { startedAt: '2025-12-31T00:00:00Z' } },
            },
          ],
        },
      },
    ),
    observed: sandboxOf(),
    actions: ['start main/5'],
  },
  {
    name: 'a pod that is over stays as it was',
    pod: podOf({}, { status: { phase: 'Failed', reason: 'Evicted', message: 'why' } }),
    observed: sandboxOf(running('main')),
    actions: ['stop main 30000'],
    phase: 'Failed',
    check: ({ status }) => assert.equal(status.reason, 'Evicted'),
  },
]

for (const { name, pod, observed, memory, actions, phase, check } of ROWS) {
  test(name, () => {
    const plan = planPod(pod, observed, memoryOf(memory), NOW)
    assert.deepEqual(plan.actions.map(actionText), actions)
    if (phase !== undefined) assert.equal(plan.status.phase, phase)
    check?.(plan)
  })
}

test('planning again from the planned status changes nothing in it', () => {
  for (const { pod, observed, memory } of ROWS) {
    const first = planPod(pod, observed, memoryOf(memory), NOW)
    const second = planPod(
      { ...pod, status: { ...pod.status, ...first.status } },
      observed,
      memoryOf(memory),
      NOW + 1_000,
    )
    // Only what time itself changes may differ: none of these cross a deadline within a second.
    assert.deepEqual(second.status, first.status)
  }
})

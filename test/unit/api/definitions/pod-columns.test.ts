import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { POD } from '../../../../src/api/definitions/pod/definition.ts'
import type { Draft } from '../../../../src/api/object.ts'
import type { ContainerState, ContainerStatus, Pod, PodStatus } from '../../../../src/api/types/core-v1.gen.ts'
import { podManifest } from './pod-fixture.ts'
import { NOW_MS, row } from './strategies.ts'

function ago(seconds: number): string {
  return new Date(NOW_MS - seconds * 1000).toISOString()
}

function status(name: string, state: ContainerState, more: Partial<ContainerStatus> = {}): ContainerStatus {
  return { name, image: 'node:24', imageID: '', ready: false, restartCount: 0, state, ...more }
}

const RUNNING: ContainerState = { running: { startedAt: ago(60) } }
const DONE: ContainerState = { terminated: { exitCode: 0, reason: 'Completed' } }
const waiting = (reason: string): ContainerState => ({ waiting: { reason } })
const ready = (name: string): ContainerStatus => status(name, RUNNING, { ready: true, started: true })

function pod(podStatus: PodStatus, change: (draft: Draft<Pod>) => void = () => {}): Pod {
  const draft = podManifest()
  draft.metadata!.creationTimestamp = ago(300)
  draft.status = podStatus as Draft<PodStatus>
  change(draft)
  return draft as Pod
}

const withInit =
  (...names: readonly string[]) =>
  (draft: Draft<Pod>): void => {
    draft.spec!.initContainers = names.map((name) => ({ name, image: 'node' }))
  }

const withSidecar = (draft: Draft<Pod>): void => {
  draft.spec!.initContainers = [{ name: 'side', image: 'node', restartPolicy: 'Always' }]
}

const deleted = (draft: Draft<Pod>): void => {
  draft.metadata!.deletionTimestamp = ago(0)
}

interface Row {
  readonly name: string
  readonly given: Pod
  readonly want: readonly [ready: string, status: string, restarts: string]
}

const ROWS: readonly Row[] = [
  { name: 'not yet anywhere', given: pod({ phase: 'Pending' }), want: ['0/1', 'Pending', '0'] },
  {
    name: 'gated',
    given: pod({
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
    }),
    want: ['0/1', 'SchedulingGated', '0'],
  },
  {
    name: 'being made',
    given: pod({ phase: 'Pending', containerStatuses: [status('web', waiting('ContainerCreating'))] }),
    want: ['0/1', 'ContainerCreating', '0'],
  },
  {
    name: 'running and ready',
    given: pod({ phase: 'Running', containerStatuses: [ready('web')] }),
    want: ['1/1', 'Running', '0'],
  },
  {
    name: 'running, not ready',
    given: pod({ phase: 'Running', containerStatuses: [status('web', RUNNING)] }),
    want: ['0/1', 'Running', '0'],
  },
  {
    name: 'crashing again and again',
    given: pod({
      phase: 'Running',
      containerStatuses: [
        status('web', waiting('CrashLoopBackOff'), {
          restartCount: 3,
          lastState: { terminated: { exitCode: 1, finishedAt: ago(5) } },
        }),
      ],
    }),
    want: ['0/1', 'CrashLoopBackOff', '3 (5s ago)'],
  },
  {
    name: 'ended well',
    given: pod({ phase: 'Succeeded', containerStatuses: [status('web', DONE)] }),
    want: ['0/1', 'Completed', '0'],
  },
  {
    name: 'ended badly, without a word',
    given: pod({ phase: 'Failed', containerStatuses: [status('web', { terminated: { exitCode: 2 } })] }),
    want: ['0/1', 'ExitCode:2', '0'],
  },
  {
    name: 'killed',
    given: pod({ phase: 'Failed', containerStatuses: [status('web', { terminated: { exitCode: 137, signal: 9 } })] }),
    want: ['0/1', 'Signal:9', '0'],
  },
  {
    name: 'evicted',
    given: pod({ phase: 'Failed', reason: 'Evicted' }),
    want: ['0/1', 'Evicted', '0'],
  },
  {
    name: 'the second of three init containers runs',
    given: pod(
      {
        phase: 'Pending',
        initContainerStatuses: [status('a', DONE), status('b', RUNNING), status('c', waiting('PodInitializing'))],
        containerStatuses: [status('web', waiting('PodInitializing'))],
      },
      withInit('a', 'b', 'c'),
    ),
    want: ['0/1', 'Init:1/3', '0'],
  },
  {
    name: 'an init container crashes',
    given: pod(
      { phase: 'Pending', initContainerStatuses: [status('a', waiting('CrashLoopBackOff'), { restartCount: 2 })] },
      withInit('a'),
    ),
    want: ['0/1', 'Init:CrashLoopBackOff', '2'],
  },
  {
    name: 'an init container failed',
    given: pod(
      { phase: 'Failed', initContainerStatuses: [status('a', { terminated: { exitCode: 1, reason: 'Error' } })] },
      withInit('a'),
    ),
    want: ['0/1', 'Init:Error', '0'],
  },
  {
    name: 'all init containers are done',
    given: pod(
      {
        phase: 'Pending',
        initContainerStatuses: [status('a', DONE, { restartCount: 4 })],
        containerStatuses: [status('web', waiting('PodInitializing'))],
      },
      withInit('a'),
    ),
    want: ['0/1', 'PodInitializing', '0'],
  },
  {
    name: 'a sidecar counts among the containers',
    given: pod(
      { phase: 'Running', initContainerStatuses: [ready('side')], containerStatuses: [ready('web')] },
      withSidecar,
    ),
    want: ['2/2', 'Running', '0'],
  },
  {
    name: 'restarts of a sidecar count once initialised',
    given: pod(
      {
        phase: 'Running',
        initContainerStatuses: [{ ...ready('side'), restartCount: 2 }],
        containerStatuses: [{ ...ready('web'), restartCount: 1 }],
      },
      withSidecar,
    ),
    want: ['2/2', 'Running', '3'],
  },
  {
    name: 'one container is done, the other serves',
    given: pod({
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [status('job', DONE), ready('web')],
    }),
    want: ['1/1', 'Running', '0'],
  },
  {
    name: 'one container is done, the other runs, and the pod is not ready',
    given: pod({ phase: 'Running', containerStatuses: [status('job', DONE), ready('web')] }),
    want: ['1/1', 'NotReady', '0'],
  },
  {
    name: 'going away',
    given: pod({ phase: 'Running', containerStatuses: [ready('web')] }, deleted),
    want: ['1/1', 'Terminating', '0'],
  },
  {
    name: 'ended and going away',
    given: pod({ phase: 'Succeeded', containerStatuses: [status('web', DONE)] }, deleted),
    want: ['0/1', 'Completed', '0'],
  },
  {
    name: 'on a lost node',
    given: pod({ phase: 'Running', reason: 'NodeLost', containerStatuses: [ready('web')] }, deleted),
    want: ['1/1', 'Unknown', '0'],
  },
]

describe('kubectl get pods', () => {
  for (const { name, given, want } of ROWS)
    test(name, () => {
      const cells = row(POD, given)
      assert.deepEqual([cells.Ready, cells.Status, cells.Restarts], want)
      assert.equal(cells.Age, '5m')
    })
})

test('the wide columns', () => {
  const none = row(POD, pod({ phase: 'Pending' }))
  assert.deepEqual(
    [none.IP, none.Node, none['Nominated Node'], none['Readiness Gates']],
    ['<none>', '<none>', '<none>', '<none>'],
  )
  const given = pod(
    {
      phase: 'Running',
      podIP: '127.70.129.4',
      podIPs: [{ ip: '127.70.129.4' }],
      nominatedNodeName: 'n2',
      conditions: [{ type: 'a/b', status: 'True' }],
    },
    (draft) => {
      draft.spec!.nodeName = 'n1'
      draft.spec!.readinessGates = [{ conditionType: 'a/b' }, { conditionType: 'a/c' }]
    },
  )
  const some = row(POD, given)
  assert.deepEqual(
    [some.IP, some.Node, some['Nominated Node'], some['Readiness Gates']],
    ['127.70.129.4', 'n1', 'n2', '1/2'],
  )
})

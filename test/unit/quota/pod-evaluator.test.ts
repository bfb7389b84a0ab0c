import { deepEqual, equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Pod, PodSpec, ScopedResourceSelectorRequirement } from '../../../src/api/types/core-v1.gen.ts'
import { formatAmounts } from '../../../src/controlplane/quota/amounts.ts'
import { POD_EVALUATOR } from '../../../src/controlplane/quota/pod-evaluator.ts'
import { container, pod } from './quota-fixture.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')

describe('what a pod uses', () => {
  const table: readonly { readonly name: string; readonly given: Pod; readonly want: Record<string, string> }[] = [
    { name: 'a pod that asks for nothing is still a pod', given: pod('a'), want: { 'count/pods': '1', pods: '1' } },
    {
      name: 'requests count under both of their names, limits under one',
      given: pod('a', { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', 'ephemeral-storage': '1Gi' } }),
      want: {
        'count/pods': '1',
        pods: '1',
        cpu: '100m',
        'requests.cpu': '100m',
        memory: '64Mi',
        'requests.memory': '64Mi',
        'limits.cpu': '1',
        'limits.ephemeral-storage': '1Gi',
      },
    },
    {
      name: 'devices count as requests only, huge pages under both names',
      given: pod('a', { requests: { 'example.com/gpu': '2', 'hugepages-2Mi': '4Mi' } }),
      want: {
        'count/pods': '1',
        pods: '1',
        'requests.example.com/gpu': '2',
        'hugepages-2Mi': '4Mi',
        'requests.hugepages-2Mi': '4Mi',
      },
    },
    {
      name: 'the most of init containers counts where it is more than the sum of the others, beside sidecars',
      given: pod(
        'a',
        { requests: { cpu: '1' } },
        {
          initContainers: [
            { ...container({ requests: { cpu: '500m' } }, 'side'), restartPolicy: 'Always' },
            container({ requests: { cpu: '2' } }, 'init'),
          ],
          overhead: { cpu: '10m' },
        },
      ),
      want: { 'count/pods': '1', pods: '1', cpu: '2510m', 'requests.cpu': '2510m' },
    },
    {
      name: 'what a pod says as a whole takes the place of the sum',
      given: pod('a', { requests: { cpu: '1', memory: '1Gi' } }, { resources: { requests: { cpu: '3' } } }),
      want: {
        'count/pods': '1',
        pods: '1',
        cpu: '3',
        'requests.cpu': '3',
        memory: '1Gi',
        'requests.memory': '1Gi',
      },
    },
    {
      name: 'a pod that has ended is counted as an object only',
      given: { ...pod('a', { requests: { cpu: '1' } }), status: { phase: 'Succeeded' } },
      want: { 'count/pods': '1' },
    },
    {
      name: 'a pod whose grace is long over is counted no more, whatever its node says',
      given: {
        ...pod('a', { requests: { cpu: '1' } }),
        metadata: { name: 'a', deletionTimestamp: '2025-12-31T23:59:00Z', deletionGracePeriodSeconds: 30 },
      },
      want: { 'count/pods': '1' },
    },
    {
      name: 'a pod within its grace is',
      given: {
        ...pod('a', { requests: { cpu: '1' } }),
        metadata: { name: 'a', deletionTimestamp: '2026-01-01T00:00:10Z', deletionGracePeriodSeconds: 30 },
      },
      want: { 'count/pods': '1', pods: '1', cpu: '1', 'requests.cpu': '1' },
    },
  ]
  for (const { name, given, want } of table)
    it(name, () => {
      const sorted = Object.fromEntries(Object.entries(want).sort(([a], [b]) => (a < b ? -1 : 1)))
      deepEqual(formatAmounts(POD_EVALUATOR.usage(given, NOW)), sorted)
    })
})

describe('which scopes a pod is in', () => {
  const podOf = (spec: Partial<PodSpec>): Pod => pod('a', {}, spec)
  const scope = (scopeName: string, operator = 'Exists', values?: readonly string[]) => ({
    scopeName,
    operator,
    ...(values === undefined ? {} : { values }),
  })
  const term = { topologyKey: 'zone' }
  const table: readonly (readonly [string, Pod, ScopedResourceSelectorRequirement, boolean])[] = [
    ['a deadline makes it Terminating', podOf({ activeDeadlineSeconds: 5 }), scope('Terminating'), true],
    ['no deadline makes it NotTerminating', podOf({}), scope('NotTerminating'), true],
    ['a deadline of 0 is one', podOf({ activeDeadlineSeconds: 0 }), scope('NotTerminating'), false],
    ['asking for nothing is BestEffort', podOf({}), scope('BestEffort'), true],
    ['asking for something is not', pod('a', { requests: { cpu: '1m' } }), scope('NotBestEffort'), true],
    [
      'a class is in what it is called',
      podOf({ priorityClassName: 'high' }),
      scope('PriorityClass', 'In', ['high']),
      true,
    ],
    ['no class is In none', podOf({}), scope('PriorityClass', 'In', ['high']), false],
    ['no class is NotIn all', podOf({}), scope('PriorityClass', 'NotIn', ['high']), true],
    ['a class exists', podOf({ priorityClassName: 'high' }), scope('PriorityClass'), true],
    ['no class does not exist', podOf({}), scope('PriorityClass', 'DoesNotExist'), true],
    [
      'affinity to pods of named namespaces',
      podOf({
        affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ ...term, namespaces: ['b'] }] } },
      }),
      scope('CrossNamespacePodAffinity'),
      true,
    ],
    [
      'preference against pods of chosen namespaces',
      podOf({
        affinity: {
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, podAffinityTerm: { ...term, namespaceSelector: {} } },
            ],
          },
        },
      }),
      scope('CrossNamespacePodAffinity'),
      true,
    ],
    [
      'affinity to pods of its own namespace is not across',
      podOf({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } }),
      scope('CrossNamespacePodAffinity'),
      false,
    ],
    ['an unknown scope holds nothing', podOf({}), scope('Other'), false],
  ]
  for (const [name, given, of, want] of table) it(name, () => equal(POD_EVALUATOR.isIn(of, given), want))
})

describe('what a pod must say', () => {
  const names = ['cpu', 'limits.memory', 'pods', 'requests.ephemeral-storage']
  it('every container must say how much it needs of CPU and memory, of nothing else', () => {
    const given = pod('a', {}, { initContainers: [container({ limits: { memory: '1Mi' } }, 'init')] })
    const want = 'must specify cpu for: init,web; limits.memory for: web'
    equal(POD_EVALUATOR.missing?.(names, given), want)
  })
  it('not where the pod says it as a whole', () => {
    equal(POD_EVALUATOR.missing?.(names, pod('a', {}, { resources: { limits: { cpu: '1' } } })), undefined)
  })
  it('nothing where only the number of pods is limited', () => {
    equal(POD_EVALUATOR.missing?.(['pods'], pod('a')), undefined)
  })
})

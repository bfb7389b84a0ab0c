import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import type { KubeObject } from '../../../src/api/object.ts'
import type { ResourceType } from '../../../src/api/resource-type.ts'
import type { StateKind } from '../../../src/controlplane/state-metrics/state-family.ts'
import { STATE_KINDS, stateMetrics } from '../../../src/controlplane/state-metrics/state-metrics.ts'
import { statePieces } from '../../../src/controlplane/state-metrics/state-pieces.ts'

const PROMTOOL = spawnSync('promtool', ['--version']).status === 0

/** By plural resource name. */
type World = Readonly<Record<string, readonly unknown[]>>

async function scrape(world: World): Promise<string> {
  const list = ({ resource }: ResourceType): readonly KubeObject[] => (world[resource] ?? []) as readonly KubeObject[]
  let text = ''
  for await (const piece of stateMetrics(list, () => 0)) text += Buffer.from(piece).toString()
  return text
}

/** The lines of these families, without comments. */
function linesOf(text: string, ...names: readonly string[]): readonly string[] {
  return text.split('\n').filter((line) => names.some((name) => line.startsWith(`${name}{`)))
}

const POD = {
  metadata: {
    namespace: 'shop',
    name: 'front-1',
    uid: 'u1',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { app: 'front', 'app.kubernetes.io/name': 'a', 'app.kubernetes.io-name': 'b' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'front', uid: 'r', controller: true }],
  },
  spec: {
    nodeName: 'n1',
    restartPolicy: 'Always',
    containers: [
      {
        name: 'main',
        image: 'node',
        resources: { requests: { cpu: '250m', memory: '64Mi' }, limits: { cpu: '1', 'example.com/gpu': '2' } },
      },
    ],
    initContainers: [{ name: 'init', image: 'node' }],
  },
  status: {
    phase: 'Running',
    podIP: '127.70.129.2',
    hostIP: '127.70.0.1',
    startTime: '2026-01-01T00:00:01Z',
    conditions: [
      { type: 'Ready', status: 'False' },
      { type: 'PodScheduled', status: 'True' },
    ],
    containerStatuses: [
      {
        name: 'main',
        image: 'node:1',
        imageID: 'id',
        containerID: 'process://x',
        ready: false,
        restartCount: 3,
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: { terminated: { reason: 'Error', exitCode: 7 } },
      },
    ],
    initContainerStatuses: [
      {
        name: 'init',
        image: 'node:1',
        imageID: '',
        ready: true,
        restartCount: 0,
        state: { terminated: { reason: 'Completed', exitCode: 0 } },
      },
    ],
  },
}

test('a pod says what kube-state-metrics says of it', async () => {
  const text = await scrape({ pods: [POD] })
  const of = 'namespace="shop",pod="front-1",uid="u1"'
  assert.deepEqual(linesOf(text, 'kube_pod_info', 'kube_pod_owner', 'kube_pod_created', 'kube_pod_start_time'), [
    `kube_pod_info{${of},host_ip="127.70.0.1",pod_ip="127.70.129.2",node="n1",created_by_kind="ReplicaSet",created_by_name="front",priority_class="",host_network="false"} 1`,
    `kube_pod_owner{${of},owner_kind="ReplicaSet",owner_name="front",owner_is_controller="true"} 1`,
    `kube_pod_created{${of}} 1767225600`,
    `kube_pod_start_time{${of}} 1767225601`,
  ])
  assert.deepEqual(linesOf(text, 'kube_pod_status_phase', 'kube_pod_status_ready'), [
    `kube_pod_status_phase{${of},phase="Pending"} 0`,
    `kube_pod_status_phase{${of},phase="Succeeded"} 0`,
    `kube_pod_status_phase{${of},phase="Failed"} 0`,
    `kube_pod_status_phase{${of},phase="Unknown"} 0`,
    `kube_pod_status_phase{${of},phase="Running"} 1`,
    `kube_pod_status_ready{${of},condition="true"} 0`,
    `kube_pod_status_ready{${of},condition="false"} 1`,
    `kube_pod_status_ready{${of},condition="unknown"} 0`,
  ])
  const main = `${of},container="main"`
  assert.deepEqual(
    linesOf(
      text,
      'kube_pod_container_status_restarts_total',
      'kube_pod_container_status_waiting_reason',
      'kube_pod_container_status_last_terminated_reason',
      'kube_pod_container_status_last_terminated_exitcode',
      'kube_pod_init_container_status_terminated_reason',
    ),
    [
      `kube_pod_container_status_restarts_total{${main}} 3`,
      `kube_pod_container_status_waiting_reason{${main},reason="CrashLoopBackOff"} 1`,
      `kube_pod_container_status_last_terminated_reason{${main},reason="Error"} 1`,
      `kube_pod_container_status_last_terminated_exitcode{${main}} 7`,
      `kube_pod_init_container_status_terminated_reason{${of},container="init",reason="Completed"} 1`,
    ],
  )
  assert.deepEqual(linesOf(text, 'kube_pod_container_resource_requests', 'kube_pod_container_resource_limits'), [
    `kube_pod_container_resource_requests{${main},node="n1",resource="cpu",unit="core"} 0.25`,
    `kube_pod_container_resource_requests{${main},node="n1",resource="memory",unit="byte"} 67108864`,
    `kube_pod_container_resource_limits{${main},node="n1",resource="cpu",unit="core"} 1`,
    `kube_pod_container_resource_limits{${main},node="n1",resource="example_com_gpu",unit="integer"} 2`,
  ])
  assert.deepEqual(linesOf(text, 'kube_pod_labels'), [
    `kube_pod_labels{${of},label_app="front",label_app_kubernetes_io_name="b",label_app_kubernetes_io_name_conflict1="a"} 1`,
  ])
})

test('a Deployment, a node, a Service, an autoscaler and a quota say theirs', async () => {
  const text = await scrape({
    deployments: [
      {
        metadata: { namespace: 'shop', name: 'front', generation: 4 },
        spec: { replicas: 10, strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } } },
        status: {
          replicas: 9,
          availableReplicas: 8,
          unavailableReplicas: 1,
          updatedReplicas: 2,
          observedGeneration: 3,
          conditions: [{ type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' }],
        },
      },
    ],
    nodes: [
      {
        metadata: { name: 'n1', labels: { 'node-role.kubernetes.io/worker': '' } },
        spec: {
          unschedulable: true,
          taints: [
            { key: 'a', effect: 'NoSchedule' },
            { key: 'a', effect: 'NoSchedule' },
          ],
        },
        status: {
          allocatable: { cpu: '1500m', pods: '110', 'ephemeral-storage': '1Ki', broken: 'x' },
          conditions: [{ type: 'Ready', status: 'Unknown' }],
        },
      },
    ],
    services: [
      {
        metadata: { namespace: 'shop', name: 'front', uid: 's' },
        spec: { type: 'LoadBalancer', clusterIP: '127.70.16.5' },
        status: { loadBalancer: { ingress: [{ ip: '127.70.32.1' }, { ip: '127.70.32.1' }] } },
      },
    ],
    horizontalpodautoscalers: [
      {
        metadata: { namespace: 'shop', name: 'front' },
        spec: {
          maxReplicas: 7,
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'front' },
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
            {
              type: 'Pods',
              pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '2500m' } },
            },
          ],
        },
        status: { desiredReplicas: 5, currentReplicas: 3, conditions: [{ type: 'AbleToScale', status: 'True' }] },
      },
    ],
    resourcequotas: [
      {
        metadata: { namespace: 'shop', name: 'q' },
        spec: {},
        status: { hard: { 'requests.cpu': '1500m', pods: '10' }, used: { pods: '4' } },
      },
    ],
  })
  for (const line of [
    'kube_deployment_spec_replicas{namespace="shop",deployment="front"} 10',
    'kube_deployment_status_replicas{namespace="shop",deployment="front"} 9',
    'kube_deployment_status_replicas_available{namespace="shop",deployment="front"} 8',
    'kube_deployment_status_replicas_unavailable{namespace="shop",deployment="front"} 1',
    'kube_deployment_status_replicas_updated{namespace="shop",deployment="front"} 2',
    'kube_deployment_metadata_generation{namespace="shop",deployment="front"} 4',
    'kube_deployment_status_observed_generation{namespace="shop",deployment="front"} 3',
    'kube_deployment_spec_strategy_rollingupdate_max_surge{namespace="shop",deployment="front"} 3',
    'kube_deployment_spec_strategy_rollingupdate_max_unavailable{namespace="shop",deployment="front"} 2',
    'kube_deployment_status_condition{namespace="shop",deployment="front",condition="Available",reason="MinimumReplicasAvailable",status="true"} 1',
    'kube_node_spec_unschedulable{node="n1"} 1',
    'kube_node_role{node="n1",role="worker"} 1',
    'kube_node_status_condition{node="n1",condition="Ready",status="unknown"} 1',
    'kube_node_status_allocatable{node="n1",resource="cpu",unit="core"} 1.5',
    'kube_node_status_allocatable{node="n1",resource="pods",unit="integer"} 110',
    'kube_node_status_allocatable{node="n1",resource="ephemeral_storage",unit="byte"} 1024',
    'kube_service_info{namespace="shop",service="front",uid="s",cluster_ip="127.70.16.5",external_name="",load_balancer_ip=""} 1',
    'kube_horizontalpodautoscaler_spec_min_replicas{namespace="shop",horizontalpodautoscaler="front"} 1',
    'kube_horizontalpodautoscaler_status_desired_replicas{namespace="shop",horizontalpodautoscaler="front"} 5',
    'kube_horizontalpodautoscaler_spec_target_metric{namespace="shop",horizontalpodautoscaler="front",metric_name="cpu",metric_target_type="utilization"} 50',
    'kube_horizontalpodautoscaler_spec_target_metric{namespace="shop",horizontalpodautoscaler="front",metric_name="rps",metric_target_type="average"} 2.5',
    'kube_resourcequota{namespace="shop",resourcequota="q",resource="requests.cpu",type="hard"} 1.5',
    'kube_resourcequota{namespace="shop",resourcequota="q",resource="pods",type="used"} 4',
  ])
    assert.ok(text.includes(`${line}\n`), line)
  // Twice the same line makes Prometheus refuse the whole scrape.
  assert.equal(linesOf(text, 'kube_service_status_load_balancer_ingress').length, 1)
  assert.equal(linesOf(text, 'kube_node_spec_taint').length, 1)
  assert.doesNotMatch(text, /broken/)
})

test('a Secret says that it is there and nothing of what is in it', async () => {
  const text = await scrape({
    secrets: [{ metadata: { namespace: 'a', name: 's', labels: { l: 'x' } }, type: 'Opaque', data: { k: 'c2VjcmV0' } }],
    configmaps: [{ metadata: { namespace: 'a', name: 'c' }, data: { k: 'plain' } }],
  })
  assert.match(text, /^kube_secret_type\{namespace="a",secret="s",type="Opaque"\} 1$/m)
  assert.doesNotMatch(text, /c2VjcmV0|plain/)
})

test('whatever a string holds, a line stays a line, and is not endless', async () => {
  const [status] = POD.status.containerStatuses
  const reason = `a"b\\c\nd${'x'.repeat(5_000)}`
  const pod = { ...POD, status: { ...POD.status, containerStatuses: [{ ...status, state: { waiting: { reason } } }] } }
  const labels = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`l${i}`, 'x']))
  const text = await scrape({ pods: [pod, { metadata: { namespace: 'a', name: 'b', labels } }] })
  const [line = ''] = linesOf(text, 'kube_pod_container_status_waiting_reason')
  assert.match(line, /reason="a\\"b\\\\c\\nd/)
  assert.ok(line.length < 1_000)
  const many = linesOf(text, 'kube_pod_labels').at(-1) ?? ''
  assert.equal(many.match(/label_l/g)?.length, 32)
})

test('an object with nothing in it breaks nothing', async () => {
  const all = STATE_KINDS.map(({ type }) => [type.resource, [{ metadata: { name: 'x' } }, {}]])
  assert.match(await scrape(Object.fromEntries(all)), /^kube_node_info\{node="x"/m)
})

test('families stand together, each with help and type once, and no line twice', async () => {
  const pods = Array.from({ length: 300 }, (_, i) => ({
    ...POD,
    metadata: { ...POD.metadata, name: `p${i}`, uid: `${i}` },
  }))
  const text = await scrape({ pods })
  const lines = text.trimEnd().split('\n')
  assert.equal(new Set(lines).size, lines.length)
  const families = lines.filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2])
  assert.equal(new Set(families).size, families.length)
  let current = ''
  for (const line of lines) {
    if (line.startsWith('# TYPE')) current = line.split(' ')[2]!
    else if (!line.startsWith('#')) assert.ok(line.startsWith(`${current}{`), line)
  }
})

test('other work has its turn whenever some milliseconds are over, and pieces stay small', async () => {
  const objects = Array.from({ length: 2_000 }, () => ({}) as KubeObject)
  let nowMs = 0
  let rests = 0
  const kind: StateKind = {
    type: { resource: 'x' } as ResourceType,
    families: [
      {
        name: 'x',
        type: 'gauge',
        help: 'X',
        write(_, emit) {
          nowMs += 0.1
          emit({ text: 'y'.repeat(200) }, 1)
        },
      },
    ],
  }
  const pieces = statePieces([kind], () => objects, {
    nowMs: () => nowMs,
    rest: async () => {
      rests += 1
    },
  })
  let largest = 0
  for await (const piece of pieces) largest = Math.max(largest, piece.length)
  assert.ok(largest < 66_000)
  // 200 ms of work; looked at after every 64 objects, so a turn is given every 6.4 ms.
  assert.ok(rests >= 30, String(rests))
})

test('promtool finds nothing to say', { skip: !PROMTOOL && 'needs promtool (Debian package prometheus)' }, async () => {
  const text = await scrape({
    pods: [POD],
    namespaces: [{ metadata: { name: 'shop' } }],
    secrets: [{ metadata: { name: 's' } }],
  })
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  assert.equal(`${stdout}${stderr}`, '')
  assert.equal(status, 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../../src/api/object.ts'
import type { ResourceType } from '../../../src/api/resource-type.ts'
import { scrapeTargets } from '../../../src/controlplane/scrape-targets/scrape-targets.ts'

interface Group {
  readonly targets: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

const POD = {
  metadata: {
    namespace: 'shop',
    name: 'front-1',
    uid: 'u',
    labels: { 'app.kubernetes.io/name': 'front' },
    annotations: { 'prometheus.io/scrape': 'true' },
    ownerReferences: [{ kind: 'ReplicaSet', name: 'front', controller: true }],
  },
  spec: {
    nodeName: 'n1',
    containers: [
      { name: 'main', image: 'node', ports: [{ name: 'http', containerPort: 8080 }, { containerPort: 9100 }] },
      { name: 'side', image: 'side' },
    ],
    initContainers: [{ name: 'init' }],
  },
  status: {
    phase: 'Running',
    podIP: '127.70.129.2',
    hostIP: '127.70.0.1',
    conditions: [{ type: 'Ready', status: 'True' }],
    containerStatuses: [{ name: 'main', containerID: 'process://x' }],
  },
}
const SERVICE = {
  metadata: { namespace: 'shop', name: 'front', annotations: { 'prometheus.io/probe': 'true' }, labels: { a: 'b' } },
  spec: { type: 'ClusterIP', clusterIP: '127.70.16.5', ports: [{ name: 'http', port: 80 }] },
}
const SLICE = {
  metadata: { namespace: 'shop', name: 'front-abc', labels: { 'kubernetes.io/service-name': 'front' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: [
    {
      addresses: ['127.70.129.2'],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'n1',
      targetRef: { kind: 'Pod', name: 'front-1' },
    },
  ],
}
const WORLD: Readonly<Record<string, readonly unknown[]>> = {
  pods: [POD, { metadata: { namespace: 'other', name: 'waiting' }, spec: { containers: [{ name: 'c' }] }, status: {} }],
  services: [
    SERVICE,
    {
      metadata: { namespace: 'other', name: 'x' },
      spec: { type: 'ExternalName', externalName: 'e', ports: [{ port: 1 }] },
    },
  ],
  endpointslices: [SLICE],
  endpoints: [
    {
      metadata: { namespace: 'shop', name: 'front' },
      subsets: [
        {
          addresses: [{ ip: '127.70.129.2', nodeName: 'n1', targetRef: { kind: 'Pod', name: 'front-1' } }],
          notReadyAddresses: [{ ip: '127.70.129.3' }],
          ports: [{ name: 'http', port: 8080 }],
        },
      ],
    },
  ],
  nodes: [
    {
      metadata: { name: 'n1', labels: { zone: 'z' } },
      status: {
        addresses: [
          { type: 'Hostname', address: 'n1' },
          { type: 'InternalIP', address: '127.70.0.1' },
        ],
        daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
      },
    },
    { metadata: { name: 'new' }, status: {} },
  ],
}

async function read(role: string, query = '', world = WORLD): Promise<readonly Group[] | undefined> {
  const list = ({ resource }: ResourceType): readonly KubeObject[] => (world[resource] ?? []) as readonly KubeObject[]
  const body = scrapeTargets(role, new URLSearchParams(query), list)
  if (body === undefined) return undefined
  let text = ''
  for await (const piece of body) text += Buffer.from(piece).toString()
  return JSON.parse(text)
}

function picked(group: Group | undefined, ...names: readonly string[]): readonly (string | undefined)[] {
  return names.map((name) => group?.labels[`__meta_kubernetes_${name}`])
}

test('a node is its agent, at the address that Prometheus prefers; one without an address is none', async () => {
  assert.deepEqual(await read('node'), [
    {
      targets: ['127.70.0.1:10250'],
      labels: {
        instance: 'n1',
        __meta_kubernetes_node_name: 'n1',
        __meta_kubernetes_node_provider_id: '',
        __meta_kubernetes_node_label_zone: 'z',
        __meta_kubernetes_node_labelpresent_zone: 'true',
        __meta_kubernetes_node_address_Hostname: 'n1',
        __meta_kubernetes_node_address_InternalIP: '127.70.0.1',
      },
    },
  ])
})

test('a pod is a target for each declared port, and for each container without one', async () => {
  const groups = (await read('pod')) ?? []
  assert.deepEqual(
    groups.map(({ targets }) => targets[0]),
    ['127.70.129.2:8080', '127.70.129.2:9100', '127.70.129.2', '127.70.129.2'],
  )
  assert.deepEqual(
    picked(groups[0], 'namespace', 'pod_name', 'pod_ready', 'pod_phase', 'pod_node_name', 'pod_controller_kind'),
    ['shop', 'front-1', 'true', 'Running', 'n1', 'ReplicaSet'],
  )
  assert.deepEqual(
    picked(groups[0], 'pod_label_app_kubernetes_io_name', 'pod_annotation_prometheus_io_scrape', 'pod_container_id'),
    ['front', 'true', 'process://x'],
  )
  assert.deepEqual(
    groups.map((group) => picked(group, 'pod_container_name', 'pod_container_port_number', 'pod_container_init')),
    [
      ['main', '8080', 'false'],
      ['main', '9100', 'false'],
      ['side', undefined, 'false'],
      ['init', undefined, 'true'],
    ],
  )
})

test('a Service is a target for each port; one outside has no ClusterIP', async () => {
  const groups = (await read('service')) ?? []
  assert.deepEqual(
    groups.map(({ targets }) => targets[0]),
    ['front.shop.svc:80', 'x.other.svc:1'],
  )
  const names = ['service_cluster_ip', 'service_external_name', 'service_port_number', 'service_type']
  assert.deepEqual(picked(groups[0], ...names), ['127.70.16.5', undefined, '80', 'ClusterIP'])
  assert.deepEqual(picked(groups[1], ...names), [undefined, 'e', '1', 'ExternalName'])
})

test('endpoints and slices come with what is known of their Service and pod', async () => {
  for (const role of ['endpoints', 'endpointslice']) {
    const [group] = (await read(role)) ?? []
    assert.deepEqual(group?.targets, ['127.70.129.2:8080'])
    assert.deepEqual(
      picked(
        group,
        'namespace',
        'service_name',
        'service_annotation_prometheus_io_probe',
        'pod_name',
        'pod_container_name',
      ),
      ['shop', 'front', 'true', 'front-1', 'main'],
    )
  }
  const ready = (await read('endpoints'))?.map((group) => picked(group, 'endpoint_ready', 'endpoint_port_name'))
  assert.deepEqual(ready, [
    ['true', 'http'],
    ['false', 'http'],
  ])
  const [slice] = (await read('endpointslice')) ?? []
  assert.deepEqual(
    picked(
      slice,
      'endpointslice_name',
      'endpointslice_endpoint_conditions_ready',
      'endpointslice_address_target_name',
      'endpointslice_port_name',
    ),
    ['front-abc', 'true', 'front-1', 'http'],
  )
})

test('a namespace and an annotation narrow it; a Service’s annotation counts for its slices', async () => {
  const counts = async (query: string): Promise<readonly (number | undefined)[]> =>
    Promise.all(['pod', 'service', 'endpointslice', 'endpoints'].map(async (role) => (await read(role, query))?.length))
  assert.deepEqual(await counts('namespace=other'), [0, 1, 0, 0])
  assert.deepEqual(await counts('annotation=prometheus.io/scrape'), [4, 0, 0, 0])
  assert.deepEqual(await counts('annotation=prometheus.io/probe'), [0, 1, 1, 2])
})

test('no other role, and nothing at all is an empty list', async () => {
  for (const role of ['ingress', 'secret', '', 'constructor']) assert.equal(await read(role), undefined)
  for (const role of ['pod', 'node', 'endpointslice']) assert.deepEqual(await read(role, '', {}), [])
})

test('an annotation that is a whole manifest is left out', async () => {
  const annotations = { 'prometheus.io/path': '/m', manifest: 'x'.repeat(5_000) }
  const [group] = (await read('pod', '', { pods: [{ ...POD, metadata: { ...POD.metadata, annotations } }] })) ?? []
  assert.equal(group?.labels.__meta_kubernetes_pod_annotation_prometheus_io_path, '/m')
  assert.equal(group?.labels.__meta_kubernetes_pod_annotation_manifest, undefined)
})

test('many pods come in several pieces of one list', async () => {
  const pods = Array.from({ length: 500 }, (_, i) => ({ ...POD, metadata: { ...POD.metadata, name: `p${i}` } }))
  assert.equal((await read('pod', '', { pods }))?.length, 2_000)
})

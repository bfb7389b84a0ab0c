import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEFINITIONS } from '../../../../src/api/definitions/all.ts'
import type { Draft, KubeObject } from '../../../../src/api/object.ts'
import { schemaOf } from '../../../../src/api/schema/schema-table.ts'
import { NOW_MS } from './strategies.ts'

const PREFIXES: Readonly<Record<string, string>> = {
  configmaps: '/registry/configmaps',
  endpoints: '/registry/services/endpoints',
  events: '/registry/events',
  namespaces: '/registry/namespaces',
  nodes: '/registry/minions',
  pods: '/registry/pods',
  secrets: '/registry/secrets',
  services: '/registry/services/specs',
  serviceaccounts: '/registry/serviceaccounts',
  deployments: '/registry/deployments',
  replicasets: '/registry/replicasets',
  horizontalpodautoscalers: '/registry/horizontalpodautoscalers',
  leases: '/registry/leases',
  endpointslices: '/registry/endpointslices',
  poddisruptionbudgets: '/registry/poddisruptionbudgets',
  limitranges: '/registry/limitranges',
  resourcequotas: '/registry/resourcequotas',
}

const COLUMNS: Readonly<Record<string, string>> = {
  configmaps: 'Name Data Age',
  endpoints: 'Name Endpoints Age',
  events: 'Last Seen,Type,Reason,Object,Subobject*,Source*,Message,First Seen*,Count*,Name*',
  namespaces: 'Name Status Age',
  nodes: 'Name Status Roles Age Version Internal-IP* External-IP* OS-Image* Kernel-Version* Container-Runtime*',
  pods: 'Name,Ready,Status,Restarts,Age,IP*,Node*,Nominated Node*,Readiness Gates*',
  secrets: 'Name Type Data Age',
  services: 'Name Type Cluster-IP External-IP Port(s) Age Selector*',
  serviceaccounts: 'Name Secrets Age',
  deployments: 'Name Ready Up-to-date Available Age Containers* Images* Selector*',
  replicasets: 'Name Desired Current Ready Age Containers* Images* Selector*',
  horizontalpodautoscalers: 'Name Reference Targets MinPods MaxPods Replicas Age',
  leases: 'Name Holder Age',
  endpointslices: 'Name AddressType Ports Endpoints Age',
  limitranges: 'Name,Created At',
  resourcequotas: 'Name Request Limit Age',
  poddisruptionbudgets: 'Name,Min Available,Max Unavailable,Allowed Disruptions,Age',
}

for (const definition of DEFINITIONS) {
  describe(`${definition.group}/${definition.resource}`, () => {
    test('its schema is in the tables', () => assert.ok(schemaOf(definition.schema)))

    test('it is stored where kube-apiserver would look for it', () =>
      assert.equal(definition.storagePrefix, PREFIXES[definition.resource]))

    test('its columns are those of kubectl, in order', () => {
      const separator = COLUMNS[definition.resource]!.includes(',') ? ',' : ' '
      const names = definition.columns.map(({ name, priority = 0 }) => (priority > 0 ? `${name}*` : name))
      assert.equal(names.join(separator), COLUMNS[definition.resource])
    })

    test('columns, selectable fields and warnings stand an empty object', () => {
      for (const column of definition.columns) assert.notEqual(column.cell({}, NOW_MS), undefined, column.name)
      for (const [path, read] of Object.entries(definition.selectableFields))
        assert.equal(typeof read({}), 'string', path)
      assert.ok(Array.isArray(definition.warnings?.({}) ?? []))
    })

    test('defaults, strategy and validation stand an object of metadata only, and defaults are idempotent', () => {
      const draft: Draft<KubeObject> = { metadata: { name: 'a', namespace: 'default' } }
      definition.defaults(draft)
      definition.prepareForCreate(draft, { nowMs: NOW_MS, subresource: '' })
      definition.validate(draft)
      const once = structuredClone(draft)
      definition.defaults(draft)
      assert.deepEqual(draft, once)
    })
  })
}

test('no two definitions share a path', () => {
  const paths = DEFINITIONS.map(({ group, version, resource }) => `${group}/${version}/${resource}`)
  assert.equal(new Set(paths).size, paths.length)
})

test('what the server handles itself is named', () => {
  const others = DEFINITIONS.flatMap(({ resource, otherSubresources }) =>
    otherSubresources.map(({ name }) => `${resource}/${name}`),
  )
  assert.deepEqual(others, [
    'namespaces/finalize',
    'nodes/proxy',
    'pods/attach',
    'pods/binding',
    'pods/eviction',
    'pods/exec',
    'pods/log',
    'pods/portforward',
    'serviceaccounts/token',
  ])
})

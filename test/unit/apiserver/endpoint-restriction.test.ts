import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFINITIONS } from '../../../src/api/definitions/all.ts'
import type { Draft, KubeObject } from '../../../src/api/object.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import type { AdmissionRequest } from '../../../src/controlplane/apiserver/admission.ts'
import { createEndpointRestriction } from '../../../src/controlplane/apiserver/edge/endpoint-restriction.ts'
import { CONTROL_PLANE_USER } from '../../../src/controlplane/apiserver/user.ts'

const PODS: Readonly<Record<string, readonly string[]>> = { shop: ['127.70.129.2'], bank: ['127.70.129.3'] }
const plugin = createEndpointRestriction(
  '127.64.0.0/10',
  (namespace) => new Set(PODS[namespace]),
  () => new Set(['127.70.0.1']),
)

function slice(...addresses: string[]): KubeObject {
  return { metadata: { name: 'mine' }, endpoints: [{ addresses }] } as KubeObject
}

function endpoints(ready: string, notReady: string): KubeObject {
  return {
    metadata: { name: 'mine' },
    subsets: [{ addresses: [{ ip: ready }], notReadyAddresses: [{ ip: notReady }] }],
  } as KubeObject
}

function admit(resource: string, object: KubeObject, more: Partial<AdmissionRequest> = {}): Promise<unknown> {
  const definition = DEFINITIONS.find((one) => one.resource === resource)!
  return plugin.admit({
    operation: 'CREATE',
    definition,
    subresource: '',
    namespace: 'shop',
    name: 'mine',
    object: object as Draft<KubeObject>,
    previous: undefined,
    user: { name: 'eve', groups: ['system:authenticated'] },
    dryRun: false,
    ...more,
  })
}

function isForbidden(error: unknown): boolean {
  return (
    error instanceof StatusError &&
    error.code === 403 &&
    /is the address of no pod in namespace "shop"/.test(error.message)
  )
}

test('a pod of the same namespace and addresses outside of the clusters’ range may be named', async () => {
  await admit('endpointslices', slice('127.70.129.2', '192.0.2.7'))
  await admit('endpoints', endpoints('127.70.129.2', '192.0.2.7'))
})

test('a pod of another namespace, a Service, a node may not, ready or not', async () => {
  for (const address of ['127.70.129.3', '127.70.16.1', '127.70.0.1']) {
    await assert.rejects(admit('endpointslices', slice('127.70.129.2', address)), isForbidden)
    await assert.rejects(admit('endpoints', endpoints(address, '192.0.2.7')), isForbidden)
    await assert.rejects(admit('endpoints', endpoints('192.0.2.7', address)), isForbidden)
  }
})

test('what was there may stay, what is new is looked at', async () => {
  const update = { operation: 'UPDATE', previous: slice('127.70.129.3') } as const
  await admit('endpointslices', slice('127.70.129.3'), update)
  await assert.rejects(admit('endpointslices', slice('127.70.129.3', '127.70.129.4'), update), isForbidden)
})

test('the controllers, who read pods themselves, are not asked', async () => {
  await admit('endpointslices', slice('127.70.129.3'), { user: CONTROL_PLANE_USER })
})

test('other resources and deletions are no business of it', async () => {
  await admit('configmaps', slice('127.70.129.3'))
  await admit('endpointslices', slice('127.70.129.3'), { operation: 'DELETE' })
})

test('a proxy says where its own metrics are, and nothing else', async () => {
  const user = { name: 'system:kube-proxy', groups: ['system:authenticated'] }
  const own = (service: string, ...addresses: string[]): KubeObject =>
    ({
      metadata: { name: 'wherry-proxy-a', labels: { 'kubernetes.io/service-name': service } },
      endpoints: [{ addresses }],
    }) as KubeObject
  const of = (name: string) => ({ user, namespace: 'kube-system', name })
  await admit('endpointslices', own('wherry-proxy', '127.70.0.1'), of('wherry-proxy-a'))
  const refused: readonly (readonly [string, KubeObject, string])[] = [
    ['endpointslices', own('wherry-proxy', '127.70.129.2'), 'wherry-proxy-a'],
    ['endpointslices', own('wherry-proxy', '127.70.0.1', '192.0.2.7'), 'wherry-proxy-a'],
    ['endpointslices', own('kube-dns', '127.70.0.1'), 'wherry-proxy-a'],
    ['endpointslices', own('wherry-proxy', '127.70.0.1'), 'kube-dns-a'],
    ['endpoints', endpoints('127.70.0.1', '127.70.0.1'), 'wherry-proxy-a'],
  ]
  for (const [resource, object, name] of refused)
    await assert.rejects(admit(resource, object, of(name)), (error) => (error as StatusError).code === 403)
})

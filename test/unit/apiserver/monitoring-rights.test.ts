import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStaticAuthorizer } from '../../../src/controlplane/apiserver/edge/static-authorizer.ts'
import type { User } from '../../../src/controlplane/apiserver/user.ts'

const { authorize } = createStaticAuthorizer({ podsOnNode: () => [] })

function user(name: string, ...groups: string[]): User {
  return { name, groups: [...groups, 'system:authenticated'] }
}

const PROMETHEUS = user('prometheus', 'system:monitoring')
const ACCOUNT = user('system:serviceaccount:kube-system:prometheus', 'system:serviceaccounts')
const NODE = user('system:node:node-1', 'system:nodes')
const PROXY = user('system:kube-proxy')

/** `get /metrics`, or `list pods`, `get nodes/metrics`, `create group/resource/sub`, in kube-system. */
function may(who: User, verb: string, what: string, name = ''): boolean {
  if (what.startsWith('/')) return authorize({ user: who, verb, path: what }).allowed
  const [resource = '', subresource = ''] = what.split('/')
  const [plain = '', ...group] = resource.split('.')
  const attributes = {
    version: 'v1',
    group: group.join('.'),
    resource: plain,
    subresource,
    namespace: 'kube-system',
    name,
  }
  return authorize({ user: who, verb, resource: attributes }).allowed
}

test('monitoring reads series and where they are, by certificate or by its account', () => {
  for (const who of [PROMETHEUS, ACCOUNT]) {
    for (const path of ['/metrics', '/metrics/state', '/healthz', '/api']) assert.ok(may(who, 'get', path), path)
    for (const what of ['nodes', 'pods', 'services', 'endpoints', 'endpointslices.discovery.k8s.io'])
      for (const verb of ['get', 'list', 'watch']) assert.ok(may(who, verb, what), `${verb} ${what}`)
    assert.ok(may(who, 'get', 'nodes/metrics', 'node-1'))
  }
})

test('monitoring changes nothing, reads no Secret, no log and nobody’s configuration', () => {
  for (const who of [PROMETHEUS, ACCOUNT]) {
    for (const what of ['secrets', 'configmaps', 'pods/log', 'serviceaccounts', 'nodes/stats', 'nodes/proxy', 'events'])
      for (const verb of ['get', 'list', 'watch']) assert.ok(!may(who, verb, what, 'x'), `${verb} ${what}`)
    for (const verb of ['create', 'update', 'patch', 'delete', 'deletecollection'])
      for (const what of ['pods', 'services', 'nodes/metrics', 'nodes'])
        assert.ok(!may(who, verb, what), `${verb} ${what}`)
    assert.ok(!may(who, 'create', 'pods/exec', 'x'))
    for (const path of ['/status', '/mesh', '/metricsx', '/tap', '/debug']) assert.ok(!may(who, 'get', path), path)
    assert.ok(!may(who, 'post', '/metrics'))
    assert.ok(!may(who, 'create', 'tokenreviews.authentication.k8s.io'))
  }
  assert.ok(!may(user('system:serviceaccount:default:prometheus'), 'get', '/metrics'))
  assert.ok(!authorize({ user: { name: 'x', groups: ['system:monitoring'] }, verb: 'get', path: '/metrics' }).allowed)
})

test('agents and proxies ask who somebody is and what they may', () => {
  for (const who of [NODE, PROXY]) {
    assert.ok(may(who, 'create', 'tokenreviews.authentication.k8s.io'))
    assert.ok(may(who, 'create', 'subjectaccessreviews.authorization.k8s.io'))
    assert.ok(!may(who, 'get', '/metrics'))
  }
  assert.ok(!may(user('eve'), 'create', 'tokenreviews.authentication.k8s.io'))
})

test('a proxy writes slices of its own name only', () => {
  const slices = 'endpointslices.discovery.k8s.io'
  assert.ok(may(PROXY, 'create', slices))
  for (const verb of ['update', 'patch', 'delete']) {
    assert.ok(may(PROXY, verb, slices, 'wherry-proxy-a'))
    assert.ok(!may(PROXY, verb, slices, 'kube-dns-a'))
  }
  assert.ok(!may(PROXY, 'deletecollection', slices))
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SERVICE } from '../../../../src/api/definitions/service/definition.ts'
import type { Draft } from '../../../../src/api/object.ts'
import type { Service, ServiceSpec } from '../../../../src/api/types/core-v1.gen.ts'
import { create, created, row, update } from './strategies.ts'

function service(spec: Partial<Draft<ServiceSpec>> = {}): Draft<Service> {
  return {
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
  }
}

describe('defaults', () => {
  test('a plain Service', () =>
    assert.deepEqual(created(SERVICE, service()), {
      metadata: { name: 'web', namespace: 'shop' },
      spec: {
        selector: { app: 'web' },
        ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
        type: 'ClusterIP',
        sessionAffinity: 'None',
        internalTrafficPolicy: 'Cluster',
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
      },
      status: { loadBalancer: {} },
    }))

  test('a load balancer', () => {
    const { spec } = created(SERVICE, service({ type: 'LoadBalancer', sessionAffinity: 'ClientIP' }))
    assert.equal(spec!.externalTrafficPolicy, 'Cluster')
    assert.equal(spec!.allocateLoadBalancerNodePorts, true)
    assert.deepEqual(spec!.sessionAffinityConfig, { clientIP: { timeoutSeconds: 10_800 } })
  })

  test('an external name has nothing of a cluster IP', () => {
    const { spec } = created(SERVICE, { metadata: { name: 'x' }, spec: { type: 'ExternalName', externalName: 'a.b' } })
    assert.deepEqual(spec, { type: 'ExternalName', externalName: 'a.b', sessionAffinity: 'None' })
  })

  test('a cluster IP that is asked for stands in both spellings', () => {
    const { spec } = created(SERVICE, service({ clusterIP: 'None' }))
    assert.deepEqual(spec!.clusterIPs, ['None'])
  })
})

describe('validation', () => {
  const ROWS: readonly { name: string; given: Partial<Draft<ServiceSpec>>; want: readonly string[] }[] = [
    { name: 'no port', given: { ports: [] }, want: ['spec.ports: Required value'] },
    { name: 'a headless Service needs none', given: { ports: [], clusterIP: 'None' }, want: [] },
    {
      name: 'two ports need names',
      given: { ports: [{ port: 80 }, { name: 'b', port: 81 }] },
      want: ['spec.ports[0].name: Required value'],
    },
    {
      name: 'one port twice',
      given: {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 80 },
        ],
      },
      want: ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
    },
    {
      name: 'a port beyond the range',
      given: { ports: [{ port: 0 }] },
      want: [
        'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
      ],
    },
    {
      name: 'a node port where there is none',
      given: { ports: [{ port: 80, nodePort: 30_000 }] },
      want: ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    },
    {
      name: 'a type that is none',
      given: { type: 'Magic' },
      want: [
        'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ],
    },
    {
      name: 'a headless load balancer',
      given: { type: 'LoadBalancer', clusterIP: 'None' },
      want: ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for LoadBalancer services'],
    },
    {
      name: 'a cluster IP that is no address',
      given: { clusterIP: 'here' },
      want: [
        'spec.clusterIPs[0]: Invalid value: "here": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ],
    },
    {
      name: 'an external IP that leads back into the machine',
      given: { externalIPs: ['127.0.0.1'] },
      want: [
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      ],
    },
    {
      name: 'two families',
      given: { ipFamilyPolicy: 'RequireDualStack' },
      want: [
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
      ],
    },
    {
      name: 'an affinity longer than a day',
      given: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_401 } } },
      want: [
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
      ],
    },
    {
      name: 'a policy for traffic that does not come',
      given: { externalTrafficPolicy: 'Local' },
      want: ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
    },
    {
      name: 'an external name without a name',
      given: { type: 'ExternalName', ports: [] },
      want: ['spec.externalName: Required value'],
    },
    {
      name: 'source ranges of no load balancer',
      given: { loadBalancerSourceRanges: ['10.0.0.0/8'] },
      want: ["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    },
    {
      name: "the node API's port to the outside",
      given: { type: 'LoadBalancer', ports: [{ port: 10_250 }] },
      want: [
        'spec.ports[0].port: Invalid value: 10250: may not expose port 10250 externally since it is used by kubelet',
      ],
    },
  ]
  for (const { name, given, want } of ROWS)
    test(name, () => assert.deepEqual(create(SERVICE, service(given)).errors, want))
})

describe('updates', () => {
  const allocated = created(
    SERVICE,
    service({ type: 'NodePort', clusterIP: '127.70.16.9', ports: [{ port: 80, nodePort: 30_080 }] }),
  )

  test('what was allocated is kept when a manifest does not mention it', () => {
    const { object, errors } = update(SERVICE, allocated, (draft) => {
      draft.spec = service({ type: 'NodePort', ports: [{ port: 80, targetPort: 8080 }] }).spec
    })
    assert.deepEqual(errors, [])
    assert.equal(object.spec!.clusterIP, '127.70.16.9')
    assert.deepEqual(object.spec!.ports, [{ port: 80, protocol: 'TCP', targetPort: 8080, nodePort: 30_080 }])
  })

  test('a cluster IP may not change', () => {
    const { errors } = update(SERVICE, allocated, (draft) => {
      draft.spec!.clusterIP = '127.70.16.10'
    })
    assert.deepEqual(errors, ['spec.clusterIPs[0]: Invalid value: ["127.70.16.10"]: may not change once set'])
  })

  test('a Service that becomes internal gives its node ports up', () => {
    const { object, errors } = update(SERVICE, allocated, (draft) => {
      draft.spec!.type = 'ClusterIP'
    })
    assert.deepEqual(errors, [])
    assert.equal(object.spec!.ports![0]!.nodePort, undefined)
    assert.equal(object.spec!.externalTrafficPolicy, undefined)
    assert.equal(object.spec!.clusterIP, '127.70.16.9')
  })

  test('a Service that becomes a name gives its address up', () => {
    const { object, errors } = update(SERVICE, allocated, (draft) => {
      draft.spec!.type = 'ExternalName'
      draft.spec!.externalName = 'a.b'
    })
    assert.deepEqual(errors, [])
    assert.equal(object.spec!.clusterIP, undefined)
    assert.equal(object.spec!.ipFamilies, undefined)
  })

  test('a load balancer that becomes a node port keeps what both have', () => {
    const balancer = created(SERVICE, service({ type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30_080 }] }))
    const { object, errors } = update(SERVICE, balancer, (draft) => {
      draft.spec!.type = 'NodePort'
    })
    assert.deepEqual(errors, [])
    assert.equal(object.spec!.allocateLoadBalancerNodePorts, undefined)
    assert.equal(object.spec!.ports![0]!.nodePort, 30_080)
  })

  test('the status changes only through its own door', () => {
    const balancer = created(SERVICE, service({ type: 'LoadBalancer' }))
    const ingress = (draft: Draft<Service>): void => {
      draft.spec!.selector = { app: 'other' }
      draft.status = { loadBalancer: { ingress: [{ ip: '127.70.32.1' }] } }
    }
    const plain = update(SERVICE, balancer, ingress)
    assert.deepEqual(plain.object.status, { loadBalancer: {} })
    const status = update(SERVICE, balancer, ingress, 'status')
    assert.deepEqual(status.errors, [])
    assert.deepEqual(status.object.status!.loadBalancer, { ingress: [{ ip: '127.70.32.1', ipMode: 'VIP' }] })
    assert.deepEqual(status.object.spec, balancer.spec)
  })
})

describe('kubectl get services', () => {
  const ROWS: readonly { name: string; given: Draft<Service>; want: readonly string[] }[] = [
    {
      name: 'plain',
      given: service({ type: 'ClusterIP', clusterIP: '127.70.16.2', ports: [{ port: 80, protocol: 'TCP' }] }),
      want: ['ClusterIP', '127.70.16.2', '<none>', '80/TCP', 'app=web'],
    },
    {
      name: 'node ports',
      given: service({
        type: 'NodePort',
        clusterIP: '127.70.16.2',
        ports: [
          { port: 80, nodePort: 30_080, protocol: 'TCP' },
          { port: 53, nodePort: 30_053, protocol: 'UDP' },
        ],
      }),
      want: ['NodePort', '127.70.16.2', '<none>', '80:30080/TCP,53:30053/UDP', 'app=web'],
    },
    {
      name: 'a load balancer that waits',
      given: service({ type: 'LoadBalancer', clusterIP: '127.70.16.2', ports: [] }),
      want: ['LoadBalancer', '127.70.16.2', '<pending>', '<none>', 'app=web'],
    },
    {
      name: 'a load balancer with an address',
      given: {
        ...service({ type: 'LoadBalancer', ports: [] }),
        status: { loadBalancer: { ingress: [{ ip: '127.70.32.1' }] } },
      },
      want: ['LoadBalancer', '<none>', '127.70.32.1', '<none>', 'app=web'],
    },
    {
      name: 'a name',
      given: { metadata: { name: 'x' }, spec: { type: 'ExternalName', externalName: 'a.b' } },
      want: ['ExternalName', '<none>', 'a.b', '<none>', '<none>'],
    },
    {
      name: 'headless',
      given: service({ type: 'ClusterIP', clusterIP: 'None', ports: [{ port: 80, protocol: 'TCP' }] }),
      want: ['ClusterIP', 'None', '<none>', '80/TCP', 'app=web'],
    },
  ]
  for (const { name, given, want } of ROWS)
    test(name, () => {
      const cells = row(SERVICE, given as Service)
      assert.deepEqual([cells.Type, cells['Cluster-IP'], cells['External-IP'], cells['Port(s)'], cells.Selector], want)
    })
})

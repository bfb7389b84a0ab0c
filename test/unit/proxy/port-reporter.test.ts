import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BindingState, bindingAdvice } from '../../../src/proxy/l4/port-binding.ts'
import { PORTS_BOUND, portsCondition } from '../../../src/proxy/report/port-reporter.ts'
import { listenerOf, service } from './proxy-fixture.ts'

const ADVICE: readonly (readonly [string, RegExp])[] = [
  [
    'EACCES',
    /ports below 1024 need a privilege\. Either run "sysctl -w net\.ipv4\.ip_unprivileged_port_start=80" as root/,
  ],
  ['EADDRINUSE', /another program listens there\. End it, or give the Service another port$/],
  ['EMFILE', /no file descriptors are left\. Raise the limit/],
  ['EADDRNOTAVAIL', /this machine does not have the address$/],
  ['EIO', /: EIO$/],
]

for (const [code, want] of ADVICE)
  test(`advice: ${code}`, () => {
    const text = bindingAdvice(listenerOf(80, []), code)
    assert.match(text, want)
    assert.match(text, /^Cannot listen on TCP 127\.127\.16\.5:80: /)
  })

const failed: BindingState = { state: 'failed', code: 'X', message: 'cannot', attempts: 1 }
const listener = listenerOf(80, [])
const told = service(
  'cart',
  {},
  {
    status: {
      conditions: [
        {
          type: PORTS_BOUND,
          status: 'False',
          reason: 'PortNotBindable',
          message: 'cannot',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    },
  },
)

test('a Service whose ports never failed is not written to', () => {
  assert.equal(portsCondition(service('cart'), [{ listener, binding: { state: 'bound' } }]), undefined)
})

test('failures are told together, and taken back when all is well', () => {
  const bindings = [failed, { state: 'bound' } as const, failed].map((binding) => ({ listener, binding }))
  assert.deepEqual(portsCondition(service('cart'), bindings), {
    type: PORTS_BOUND,
    status: 'False',
    reason: 'PortNotBindable',
    message: 'cannot; cannot',
  })
  assert.equal(portsCondition(told, [{ listener, binding: { state: 'waiting' } }])?.status, 'True')
})

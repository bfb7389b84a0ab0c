import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemInfo } from '../../../src/agent/node/machine.ts'
import { NodeKeeper } from '../../../src/agent/node/node-keeper.ts'
import { nodeConditions } from '../../../src/agent/node/node-status.ts'
import { crashDelay, goDuration, nextCrashDelay } from '../../../src/agent/pod/crash-backoff.ts'
import { drainState } from '../../../src/agent/pod/drain.ts'
import { PodAddresses } from '../../../src/agent/pod/pod-addresses.ts'
import { portInUseMessage } from '../../../src/agent/pod/port-in-use.ts'
import { overlayStatus, statusDiff } from '../../../src/agent/pod/status-diff.ts'
import { type HostIdentity, privilegePrefix, processRefusal } from '../../../src/agent/runtime/process/refusal.ts'
import type { EffectiveSecurityContext } from '../../../src/agent/runtime/runtime.ts'
import { DRAINING_ANNOTATION } from '../../../src/api/drain-lease.ts'
import { NAMESPACES, NODES } from '../../../src/api/resource-type.ts'
import type { Lease } from '../../../src/api/types/coordination-v1.gen.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { eventually } from '../../harness/eventually.ts'
import { startTestServer } from '../apiserver/server-fixture.ts'
import { NOW } from './plan-fixture.ts'
import { container } from './runtime-fixture.ts'

test('crash back-off: at once, then 10 s doubling to 5 min, anew after ten minutes', () => {
  const waits: number[] = []
  let delay: number | undefined
  for (let i = 0; i < 8; i++) {
    const wait = crashDelay(delay, 1_000)
    waits.push(wait / 1000)
    delay = nextCrashDelay(wait)
  }
  assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 300, 300])
  assert.equal(crashDelay(300_000, 600_000), 0)
  assert.deepEqual([10_000, 80_000, 300_000, 3_600_000].map(goDuration), ['10s', '1m20s', '5m0s', '1h0m0s'])
})

test('addresses: each to one pod, in a circle that outlives the agent', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-addresses-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'last')
  const addresses = new PodAddresses('127.70.129.0/28', file)
  addresses.reserve('127.70.129.3')
  const given = Array.from({ length: 12 }, () => addresses.allocate())
  assert.equal(new Set(given).size, 12)
  assert.ok(!given.includes('127.70.129.3'))
  assert.deepEqual([given[0], given.at(-1)], ['127.70.129.2', '127.70.129.14'])
  assert.throws(() => addresses.allocate(), /no IP addresses available/)
  addresses.release('127.70.129.9')
  assert.equal(addresses.allocate(), '127.70.129.9')

  const next = new PodAddresses('127.70.129.0/28', file)
  assert.equal(next.allocate(), '127.70.129.10', 'the circle goes on behind the last one given')
})

test('drain: live proxies must name the address, and nothing may be open there', () => {
  const lease = (name: string, text: string | undefined, ageMs = 0): Lease => ({
    metadata: { name, annotations: text === undefined ? {} : { [DRAINING_ANNOTATION]: text } },
    spec: { renewTime: new Date(NOW - ageMs).toISOString(), leaseDurationSeconds: 40 },
  })
  const state = (...leases: Lease[]): unknown => drainState(leases, '127.70.129.4', NOW)
  assert.deepEqual(state(), { silent: 0, active: 0 })
  assert.deepEqual(state(lease('wherry-proxy-a', undefined)), { silent: 1, active: 0 })
  assert.deepEqual(state(lease('wherry-proxy-a', '127.70.129.4=3'), lease('wherry-proxy-b', '127.70.129.4=0')), {
    silent: 0,
    active: 3,
  })
  assert.deepEqual(
    state(lease('wherry-proxy-a', undefined, 41_000)),
    { silent: 0, active: 0 },
    'a dead proxy is not waited for',
  )
  assert.deepEqual(state(lease('something-else', undefined)), { silent: 0, active: 0 })
})

test('status: only what differs is sent, and what others say is left alone', () => {
  const foreign = { type: 'example.com/gate', status: 'True' }
  const api = {
    phase: 'Pending',
    reason: 'Old',
    conditions: [foreign, { type: 'Ready', status: 'False', reason: 'ContainersNotReady' }],
    podIPs: [{ ip: '127.70.129.9' }],
  }
  assert.deepEqual(
    statusDiff(api, {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      podIPs: [{ ip: '127.70.129.4' }],
    }),
    {
      phase: 'Running',
      reason: null,
      podIPs: [{ ip: '127.70.129.4' }, { $patch: 'replace' }],
      conditions: [{ type: 'Ready', status: 'True', reason: null, message: null }],
    },
  )
  assert.equal(statusDiff({ ...api, containerStatuses: [] }, { ...api, containerStatuses: [] }), undefined)
  const own = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
  assert.deepEqual(overlayStatus(api, own)?.conditions, [foreign, own.conditions[0]])
  assert.equal(overlayStatus({ phase: 'Failed' }, own)?.phase, 'Failed')
  // Said by somebody else until the agent says it itself.
  const theirs = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }
  assert.deepEqual(overlayStatus({ conditions: [theirs] }, own)?.conditions, [theirs, own.conditions[0]])
  const mine = { conditions: [{ ...theirs, reason: 'TerminationByKubelet' }] }
  assert.deepEqual(overlayStatus({ conditions: [theirs] }, mine)?.conditions, mine.conditions)
})

test('node conditions keep their transition time while they hold', () => {
  const calm = { memory: false, disk: false, pids: false }
  const first = nodeConditions(undefined, calm, NOW)
  assert.deepEqual(
    first.map(({ type, status }) => `${type}=${status}`),
    ['MemoryPressure=False', 'DiskPressure=False', 'PIDPressure=False', 'Ready=True'],
  )
  const later = nodeConditions(first, { ...calm, disk: true }, NOW + 60_000)
  const times = later.map(({ lastTransitionTime }) => Date.parse(lastTransitionTime ?? '') - NOW)
  assert.deepEqual(times, [0, 60_000, 0, 0])
  assert.deepEqual([later[1]?.reason, later[1]?.message], ['KubeletHasDiskPressure', 'kubelet has disk pressure'])
})

test('a node that was given up says that it is ready again, and since when', async (t) => {
  const api = await startTestServer()
  t.after(() => api.close())
  await api.client.create(NAMESPACES, { metadata: { name: 'kube-node-lease' } })
  const directory = mkdtempSync(join(tmpdir(), 'wherry-node-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const clock = new VirtualClock(NOW)
  const said: string[] = []
  const keeper = new NodeKeeper({
    client: api.client,
    clock,
    logger: silentLogger,
    events: { event: (_, __, reason) => void said.push(reason), async flush() {} },
    facts: {
      name: 'n1',
      address: '127.70.0.1',
      capacity: {},
      info: systemInfo('process://0', 'v0'),
      apiPort: undefined,
    },
    podCidr: '127.70.129.0/24',
    labels: {},
    directory,
  })
  await keeper.start()
  t.after(() => keeper.close())
  const readySince = async (): Promise<number | undefined> => {
    const { status } = await api.client.get(NODES, { name: 'n1' })
    const ready = status?.conditions?.find((condition) => condition.type === 'Ready' && condition.status === 'True')
    return ready === undefined ? undefined : Date.parse(ready.lastTransitionTime ?? '') - NOW
  }
  assert.equal(await readySince(), 0)
  const lost = {
    type: 'Ready',
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    lastTransitionTime: '2026-01-01T00:00:05Z',
  }
  await api.client.patch(NODES, { name: 'n1' }, { status: { conditions: [lost] } }, { subresource: 'status' })
  assert.equal(await readySince(), undefined)
  await clock.advance(10_000)
  assert.equal(await eventually(readySince), 10_000)
  await eventually(() => (said.length === 3 ? true : undefined))
  assert.deepEqual(said, ['Starting', 'NodeReady', 'NodeReady'])
})

test('a port in use is told with the address to bind', () => {
  assert.match(
    portInUseMessage('web', 'Error: listen EADDRINUSE: address already in use :::8080', '127.70.129.4') ?? '',
    /127\.70\.129\.4.+POD_IP/,
  )
  assert.match(portInUseMessage('web', '[Errno 98] Address already in use', '127.70.129.4') ?? '', /POD_IP/)
  assert.equal(portInUseMessage('web', 'SyntaxError', '127.70.129.4'), undefined)
})

const USER: HostIdentity = { uid: 1000, gid: 1000, groups: [1000, 27], setpriv: '/usr/bin/setpriv', script: undefined }
const ROOT: HostIdentity = { uid: 0, gid: 0, groups: [0], setpriv: '/usr/bin/setpriv', script: undefined }

// Row 32 of the attack list: enforced or refused, never ignored.
test('a security context is enforced or refused', () => {
  const rows: [EffectiveSecurityContext, HostIdentity, RegExp | undefined][] = [
    [{}, USER, undefined],
    [
      { privileged: false, runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      USER,
      undefined,
    ],
    [{ runAsUser: 1000, runAsGroup: 1000, supplementalGroups: [27] }, USER, undefined],
    [{ runAsUser: 1001 }, USER, /runAsUser 1001: wherry runs as user 1000/],
    [{ runAsUser: 1001, runAsNonRoot: true }, ROOT, undefined],
    [{ runAsUser: 1001 }, { ...ROOT, setpriv: undefined }, /setpriv \(util-linux\) is missing/],
    [{ runAsNonRoot: true }, ROOT, /runAsNonRoot/],
    [{ privileged: true }, ROOT, /privileged/],
    [{ readOnlyRootFilesystem: true }, USER, /readOnlyRootFilesystem/],
    [{ capabilities: { add: ['NET_ADMIN'] } }, ROOT, /capabilities\.add/],
    [{ supplementalGroups: [5] }, USER, /supplementalGroups 5/],
    [{ fsGroup: 5 }, USER, /fsGroup 5/],
    [{ seccompProfile: 'RuntimeDefault' }, USER, /seccompProfile RuntimeDefault/],
    [{ seccompProfile: 'Unconfined' }, USER, undefined],
    [{ appArmorProfile: 'Localhost' }, USER, /appArmorProfile/],
    [{ seLinux: true }, USER, /seLinuxOptions/],
    [{ procMount: 'Unmasked' }, USER, /procMount/],
    [{ sysctls: ['net.core.somaxconn'] }, ROOT, /sysctls: net\.core\.somaxconn/],
    [{ hostUsers: false }, USER, /hostUsers/],
  ]
  for (const [securityContext, host, want] of rows) {
    const refusal = processRefusal(container(['true'], { securityContext }), host)
    if (want === undefined) assert.equal(refusal, undefined, JSON.stringify(securityContext))
    else assert.match(refusal ?? 'accepted', want)
  }
  assert.match(processRefusal(container([]), USER) ?? '', /has no command/)
})

test('what is enforced stands before the command', () => {
  assert.deepEqual(privilegePrefix({}, ROOT), [])
  assert.deepEqual(
    privilegePrefix(
      { runAsUser: 7, runAsGroup: 8, capabilities: { drop: ['ALL'] }, allowPrivilegeEscalation: false },
      ROOT,
    ),
    [
      '/usr/bin/setpriv',
      '--reuid=7',
      '--regid=8',
      '--clear-groups',
      '--bounding-set=-all',
      '--inh-caps=-all',
      '--no-new-privs',
      '--',
    ],
  )
  assert.deepEqual(privilegePrefix({ capabilities: { drop: ['ALL'] } }, USER), [])
})

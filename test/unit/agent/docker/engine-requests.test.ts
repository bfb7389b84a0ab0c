import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pullSecrets } from '../../../../src/agent/pod/pull-secrets.ts'
import { sandboxConfig } from '../../../../src/agent/pod/sandbox-config.ts'
import { containerBody } from '../../../../src/agent/runtime/docker/container-body.ts'
import {
  containerLabels,
  ownerFilter,
  readLabels,
  sandboxLabels,
} from '../../../../src/agent/runtime/docker/docker-labels.ts'
import { dockerRefusal } from '../../../../src/agent/runtime/docker/docker-refusal.ts'
import { memoryVolumeOf } from '../../../../src/agent/runtime/docker/engine-names.ts'
import { rootRefusal } from '../../../../src/agent/runtime/docker/root-refusal.ts'
import { sandboxBody } from '../../../../src/agent/runtime/docker/sandbox-body.ts'
import { type ContainerConfig, RuntimeError, type SandboxConfig } from '../../../../src/agent/runtime/runtime.ts'
import type { PodSpec, Secret } from '../../../../src/api/types/core-v1.gen.ts'
import { podOf, UID } from '../plan-fixture.ts'

const PLACE = { ip: '10.70.129.4', directory: '/pods/u', hostIps: ['10.70.0.1', '127.0.0.1'] }

function sandbox(spec: Partial<PodSpec> = {}): SandboxConfig {
  return sandboxConfig(podOf(spec), PLACE)
}

function container(more: Partial<ContainerConfig> = {}): ContainerConfig {
  return {
    podUid: UID,
    name: 'main',
    attempt: 2,
    kind: 'main',
    image: 'a:1',
    command: [],
    args: [],
    workingDir: undefined,
    env: [{ name: 'A', value: 'b=c' }],
    mounts: [],
    stopSignal: undefined,
    stdin: false,
    stdinOnce: false,
    tty: false,
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    securityContext: {},
    resources: {},
    ...more,
  }
}

/** Only as deep as a test looks into it. */
type Body = Record<string, unknown> & { readonly HostConfig: Record<string, unknown> }

function body(more: Partial<ContainerConfig> = {}, spec: Partial<PodSpec> = {}, mayProtect = true): Body {
  const config = sandbox(spec)
  return containerBody({
    sandbox: config,
    config: container(more),
    labels: {},
    sandboxId: 'pause',
    terminationMessage: '/pods/u/message',
    mayProtect,
    volumeOf: (mount) => memoryVolumeOf(config, mount),
  }) as Body
}

describe('the request for a container', () => {
  test('stands in the sandbox’ network and IPC, in its own processes unless they are shared', () => {
    const { NetworkMode, IpcMode, PidMode, UTSMode } = body().HostConfig
    assert.deepEqual(
      [NetworkMode, IpcMode, PidMode, UTSMode],
      ['container:pause', 'container:pause', undefined, undefined],
    )
    assert.equal(body({}, { shareProcessNamespace: true }).HostConfig.PidMode, 'container:pause')
    const host = body({}, { hostNetwork: true, hostPID: true, hostIPC: true }).HostConfig
    assert.deepEqual([host.NetworkMode, host.PidMode, host.IpcMode, host.UTSMode], ['host', 'host', 'host', 'host'])
  })

  test('command stands for the entry point, args for the image’s arguments', () => {
    const words = (more: Partial<ContainerConfig>): readonly unknown[] => [body(more).Entrypoint, body(more).Cmd]
    assert.deepEqual(words({}), [undefined, undefined])
    assert.deepEqual(words({ args: ['x'] }), [undefined, ['x']])
    assert.deepEqual(words({ command: ['c'] }), [['c'], []])
    assert.deepEqual(words({ command: ['c'], args: ['x'] }), [['c'], ['x']])
  })

  test('a security context becomes what the engine enforces', () => {
    const { User, HostConfig } = body({
      securityContext: {
        runAsUser: 7,
        runAsGroup: 8,
        supplementalGroups: [9],
        fsGroup: 10,
        allowPrivilegeEscalation: false,
        seccompProfile: 'Unconfined',
        readOnlyRootFilesystem: true,
        capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
      },
    })
    assert.equal(User, '7:8')
    assert.deepEqual(HostConfig.GroupAdd, ['9', '10'])
    assert.deepEqual(HostConfig.SecurityOpt, ['no-new-privileges', 'seccomp=unconfined'])
    assert.deepEqual([HostConfig.CapAdd, HostConfig.CapDrop, HostConfig.ReadonlyRootfs], [['NET_ADMIN'], ['ALL'], true])
    assert.equal(body({ securityContext: { runAsGroup: 8 } }).User, '0:8')
    assert.equal('User' in body(), false)
  })

  test('an engine that may protect nothing is not asked to', () => {
    assert.equal(body({ resources: { oomScoreAdj: -997 } }).HostConfig.OomScoreAdj, -997)
    assert.equal(body({ resources: { oomScoreAdj: -997 } }, {}, false).HostConfig.OomScoreAdj, 0)
    assert.equal(body({ resources: { oomScoreAdj: 500 } }, {}, false).HostConfig.OomScoreAdj, 500)
  })

  test('a volume in memory is the engine’s and stays empty; a part of one is refused', () => {
    const spec = { volumes: [{ name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }] }
    assert.deepEqual(sandbox(spec).namespaces?.memoryVolumes, { m: { sizeBytes: 2 ** 20 } })
    const mount = { source: '/pods/u/volumes/m', target: '/m', readOnly: false }
    const [first] = body({ mounts: [mount] }, spec).HostConfig.Mounts as readonly object[]
    assert.deepEqual(first, {
      Type: 'volume',
      Source: `wherry-${UID}-m`,
      Target: '/m',
      ReadOnly: false,
      VolumeOptions: { NoCopy: true },
    })
    assert.throws(() => body({ mounts: [{ ...mount, source: '/pods/u/volumes/m/sub' }] }, spec), RuntimeError)
    // One whose name only begins alike is another.
    const [other] = body({ mounts: [{ ...mount, source: '/pods/u/volumes/more' }] }, spec).HostConfig
      .Mounts as readonly object[]
    assert.equal((other as { Type: string }).Type, 'bind')
  })
})

describe('the request for a sandbox', () => {
  const of = (spec: Partial<PodSpec>): Body =>
    sandboxBody({
      sandbox: sandbox(spec),
      labels: {},
      image: 'p',
      network: 'wherry70',
      volumes: [],
      isProtected: true,
    }) as Body

  test('has the address that the agent gave', () => {
    assert.deepEqual(of({}).NetworkingConfig, {
      EndpointsConfig: { wherry70: { IPAMConfig: { IPv4Address: '10.70.129.4' } } },
    })
    assert.equal('NetworkingConfig' in of({ hostNetwork: true }), false)
  })

  test('opens host ports where the node stands, or where they say', () => {
    const ports = [
      { containerPort: 80, hostPort: 8080 },
      { containerPort: 53, hostPort: 53, protocol: 'UDP', hostIP: '127.0.0.9' },
      { containerPort: 90 },
    ]
    const spec = { containers: [{ name: 'main', image: 'a', ports }] }
    assert.deepEqual(of(spec).HostConfig.PortBindings, {
      '80/tcp': [
        { HostIp: '10.70.0.1', HostPort: '8080' },
        { HostIp: '127.0.0.1', HostPort: '8080' },
      ],
      '53/udp': [{ HostIp: '127.0.0.9', HostPort: '53' }],
    })
    assert.deepEqual(sandbox({ ...spec, hostNetwork: true }).namespaces?.hostPorts, [])
  })

  test('has the pod’s own resolver only when the pod brings one', () => {
    assert.equal('Dns' in of({}).HostConfig, false)
    const { Dns, DnsSearch, DnsOptions } = of({
      dnsConfig: {
        nameservers: ['1.1.1.1'],
        searches: ['x'],
        options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
      },
    }).HostConfig
    assert.deepEqual([Dns, DnsSearch, DnsOptions], [['1.1.1.1'], ['x'], ['ndots:2', 'edns0']])
  })
})

test('labels say again what they were made of, and are no other cluster’s', () => {
  const owner = { cluster: 'c-1', node: 'n1' }
  const labels = containerLabels(owner, sandbox(), container({ terminationMessagePolicy: 'FallbackToLogsOnError' }))
  assert.deepEqual(readLabels(labels), {
    node: 'n1',
    podUid: UID,
    container: { name: 'main', attempt: 2, image: 'a:1', messagePolicy: 'FallbackToLogsOnError' },
  })
  assert.deepEqual(readLabels(sandboxLabels(owner, sandbox())), { node: 'n1', podUid: UID, container: undefined })
  for (const filter of ownerFilter('c-1', 'n1')) {
    const [key, value] = filter.split('=')
    assert.equal(labels[key as keyof typeof labels], value)
  }
  const foreign: readonly Record<string, string>[] = [
    {},
    { 'io.wherry.node': 'n1' },
    { ...labels, 'io.wherry.attempt': 'x' },
  ]
  for (const labels of foreign) assert.equal(readLabels(labels), undefined)
})

test('what cannot be enforced is refused, and root where root must not be', () => {
  const refused = (securityContext: ContainerConfig['securityContext']): boolean =>
    dockerRefusal(container({ securityContext })) !== undefined
  assert.deepEqual(
    [
      {},
      { seccompProfile: 'RuntimeDefault' },
      { seccompProfile: 'Localhost' },
      { seLinux: true },
      { hostUsers: false },
    ].map(refused),
    [false, false, true, true, true],
  )
  const root = (imageUser: string, runAsUser?: number): string | undefined =>
    rootRefusal(
      container({ securityContext: { runAsNonRoot: true, ...(runAsUser === undefined ? {} : { runAsUser }) } }),
      imageUser,
    )
  for (const user of ['', 'root', '0', '0:5', '00']) assert.match(root(user) ?? '', /will run as root/)
  assert.match(root('nobody') ?? '', /non-numeric user \(nobody\)/)
  assert.deepEqual([root('5'), root('5:0'), root('root', 5)], [undefined, undefined, undefined])
  assert.match(root('5', 0) ?? '', /non-root/)
})

test('pull secrets come in order; those that are none are named', async () => {
  const secret = (type: string, key: string): Secret => ({
    type,
    data: { [key]: Buffer.from(type).toString('base64') },
  })
  const all = new Map([
    ['new', secret('kubernetes.io/dockerconfigjson', '.dockerconfigjson')],
    ['old', secret('kubernetes.io/dockercfg', '.dockercfg')],
    ['opaque', secret('Opaque', 'x')],
  ])
  const pod = podOf({ imagePullSecrets: ['old', 'gone', 'opaque', 'new'].map((name) => ({ name })) })
  const { secrets, missing } = await pullSecrets(pod, { secrets: async () => all })
  assert.deepEqual(
    secrets.map(({ content }) => content),
    ['kubernetes.io/dockercfg', 'kubernetes.io/dockerconfigjson'],
  )
  assert.deepEqual(missing, ['gone', 'opaque'])
})

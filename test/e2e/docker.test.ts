import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Pod } from '../../src/api/types/core-v1.gen.ts'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import {
  BUSYBOX_IMAGE,
  DOCKER_MISSING,
  importBusybox,
  startDockerEngine,
  type TestEngine,
} from '../harness/docker-engine.ts'
import { REGISTRY_MISSING, REGISTRY_USER, startRegistry } from '../harness/docker-registry.ts'
import { eventually } from '../harness/eventually.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls, runKubectl } from '../harness/kubectl.ts'

// Pods as containers of a real Docker engine, looked at with kubectl and with Docker's own client.
const all = kubectls()
const [newest] = all.slice(-1)
const SCRIPT_MISSING =
  spawnSync('sh', ['-c', 'command -v script']).status === 0 ? false : 'needs script (Debian package bsdutils)'
const skip = DOCKER_MISSING ?? (newest === undefined ? KUBECTL_MISSING : false)

let engine: TestEngine
let cluster: TestCluster

function k(...args: string[]): Promise<string> {
  return kubectlOk(newest!, cluster.kubeconfig, args, { timeoutMs: 90_000 })
}

async function apply(...objects: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  await kubectlOk(newest!, cluster.kubeconfig, ['apply', '-f', '-'], { input })
}

function pod(name: string, spec: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, ...spec },
  }
}

function shell(name: string, script: string, more: object = {}): object {
  return { name, image: BUSYBOX_IMAGE, command: ['sh', '-c', script], ...more }
}

const WAIT = 'while true; do sleep 1; done'

async function getPod(name: string): Promise<Pod> {
  return JSON.parse(await k('get', 'pod', name, '-o', 'json'))
}

function until(name: string, check: (pod: Pod) => boolean, what: string): Promise<Pod> {
  return eventually(
    async () => {
      const found = await getPod(name)
      if (check(found)) return found
      throw new Error(`${what}: ${JSON.stringify(found.status, undefined, 1)}`)
    },
    60_000,
    what,
  )
}

function isReady(found: Pod): boolean {
  return found.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}

function stateOf(found: Pod, container: string): NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number] {
  const { containerStatuses = [], initContainerStatuses = [] } = found.status ?? {}
  return [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container)!
}

/** `reason: message` of the events of a pod. */
async function events(name: string): Promise<readonly string[]> {
  const text = await k('get', 'events', `--field-selector=involvedObject.name=${name}`, '-o', 'json')
  const { items } = JSON.parse(text) as { items: readonly { reason: string; message: string }[] }
  return items.map(({ reason, message }) => `${reason}: ${message}`)
}

before(async () => {
  if (skip !== false) return
  engine = await startDockerEngine()
  await importBusybox(engine)
  cluster = await startTestCluster(['--nodes', '2', '--runtime', 'docker', '--docker-host', engine.host])
})
after(async () => {
  await cluster?.destroy()
  await engine?.close()
})

test('it says what it runs on', { skip }, async () => {
  assert.match(cluster.output(), /runtime +docker: containers of the engine at unix:/)
  assert.match(await k('get', 'nodes', '-o', 'wide'), /docker:\/\/\d+\.\d+/)
})

test('containers of a pod share address, volumes and, if asked, processes', { skip }, async () => {
  await apply(
    pod('shared', {
      shareProcessNamespace: true,
      hostAliases: [{ ip: '10.1.2.3', hostnames: ['elsewhere.example'] }],
      volumes: [
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        { name: 'disk', emptyDir: {} },
        { name: 'blank', emptyDir: { medium: 'Memory' } },
        { name: 'self', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      ],
      containers: [
        shell('server', `echo from-a > /memory/a; echo page > /disk/index.html; httpd -p 8080 -h /disk; ${WAIT}`, {
          volumeMounts: [
            { name: 'memory', mountPath: '/memory' },
            { name: 'disk', mountPath: '/disk', subPath: 'www' },
          ],
          readinessProbe: { httpGet: { path: '/index.html', port: 8080 }, periodSeconds: 1 },
        }),
        shell('other', WAIT, {
          volumeMounts: [
            { name: 'memory', mountPath: '/memory' },
            { name: 'disk', mountPath: '/all', readOnly: true },
            { name: 'blank', mountPath: '/usr' },
            { name: 'self', mountPath: '/self' },
          ],
        }),
      ],
    }),
  )
  const found = await until('shared', isReady, 'ready')
  const node = (await cluster.status()).nodes.find(({ name }) => name === found.spec?.nodeName)!
  assert.ok(found.status!.podIP!.startsWith(node.podCidr.split('.').slice(0, 3).join('.')), found.status!.podIP)
  const inOther = (script: string): Promise<string> => k('exec', 'shared', '-c', 'other', '--', 'sh', '-c', script)
  assert.equal(await inOther('cat /memory/a /all/www/index.html'), 'from-a\npage\n')
  assert.match(await inOther('grep " /memory " /proc/mounts'), /^tmpfs .*size=1024k/)
  // The image has a file there.
  assert.equal(await inOther('ls /usr'), '')
  assert.equal(await inOther('wget -q -O - http://127.0.0.1:8080/'), 'page\n')
  assert.match(await inOther('ps'), /httpd -p 8080[\s\S]*|\/pause/)
  assert.match(await inOther('cat /etc/hosts'), /10\.1\.2\.3\s+elsewhere\.example/)
  assert.match(await inOther('cat /self/labels'), /app="shared"/)
  assert.equal((await inOther('hostname')).trim(), 'shared')
  assert.notEqual(
    (await runKubectl(newest!, cluster.kubeconfig, ['exec', 'shared', '-c', 'other', '--', 'touch', '/all/x'])).code,
    0,
  )
  // A label that changes is seen in the file without a restart.
  await k('label', 'pod', 'shared', 'colour=green')
  await eventually(async () => ((await inOther('cat /self/labels')).includes('green') ? true : undefined), 30_000)
  assert.equal(await (await fetch(`http://${found.status!.podIP}:8080/`)).text(), 'page\n')
})

test('limits and security contexts are what the kernel enforces', { skip }, async () => {
  await apply(
    pod('limited', {
      containers: [
        shell('main', WAIT, {
          resources: { requests: { cpu: '250m' }, limits: { cpu: '500m', memory: '64Mi' } },
          securityContext: {
            runAsUser: 1000,
            runAsGroup: 1000,
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
          },
        }),
      ],
    }),
  )
  await until('limited', isReady, 'ready')
  const status = await k('exec', 'limited', '--', 'cat', '/proc/self/status')
  assert.match(status, /^Uid:\s+1000\s+1000/m)
  assert.match(status, /^Gid:\s+1000\s+1000/m)
  assert.match(status, /^CapBnd:\s+0000000000000400$/m)
  assert.match(status, /^NoNewPrivs:\s+1$/m)
  assert.notEqual((await runKubectl(newest!, cluster.kubeconfig, ['exec', 'limited', '--', 'touch', '/x'])).code, 0)
  const id = stateOf(await getPod('limited'), 'main').containerID!.replace('docker://', '')
  const [config] = JSON.parse(await engine.docker('inspect', id))
  const { Memory, MemorySwap, CpuQuota, CpuPeriod, CpuShares } = config.HostConfig
  assert.deepEqual(
    { Memory, MemorySwap, CpuQuota, CpuPeriod, CpuShares },
    { Memory: 2 ** 26, MemorySwap: 2 ** 26, CpuQuota: 50_000, CpuPeriod: 100_000, CpuShares: 256 },
  )
})

test('volumes of files belong to the pod’s group, are readable to it, and nobody’s to write to', { skip }, async () => {
  await k('create', 'secret', 'generic', 'key', '--from-literal=key=abc')
  await apply(
    pod('grouped', {
      securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000 },
      volumes: [
        { name: 'key', secret: { secretName: 'key', defaultMode: 0o400 } },
        { name: 'space', emptyDir: {} },
      ],
      containers: [
        shell('main', WAIT, {
          volumeMounts: [
            { name: 'key', mountPath: '/key' },
            { name: 'space', mountPath: '/space' },
          ],
        }),
      ],
    }),
  )
  await until('grouped', isReady, 'ready')
  const run = (script: string): Promise<string> => k('exec', 'grouped', '--', 'sh', '-c', script)
  assert.equal(await run('cat /key/key'), 'abc')
  assert.equal(await run('touch /space/mine && stat -c %g /space/mine'), '2000\n')
  assert.equal(await run('touch /key/other 2> /dev/null || echo refused'), 'refused\n')
})

test('a privileged container has every capability', { skip }, async (t) => {
  const mayBe = await engine.docker('run', '--rm', '--privileged', BUSYBOX_IMAGE, 'true').then(
    () => true,
    () => false,
  )
  if (!mayBe) return t.skip('needs an engine with every capability itself')
  await apply(pod('strong', { containers: [shell('main', WAIT, { securityContext: { privileged: true } })] }))
  await until('strong', isReady, 'ready')
  assert.match(await k('exec', 'strong', '--', 'cat', '/proc/self/status'), /^CapEff:\s+0*1f+/m)
})

test('how containers end: codes, reasons, messages, and what comes before them', { skip }, async () => {
  const big = 'head -c 200000000 /dev/zero | tail'
  await apply(
    pod('endings', {
      restartPolicy: 'Never',
      initContainers: [shell('first', 'echo prepared > /dev/termination-log')],
      containers: [
        shell('well', 'true'),
        shell('badly', 'echo last words; exit 3', { terminationMessagePolicy: 'FallbackToLogsOnError' }),
        shell('greedy', `echo before > /dev/termination-log; ${big}`, { resources: { limits: { memory: '16Mi' } } }),
      ],
    }),
  )
  const found = await until('endings', ({ status }) => status?.phase === 'Failed', 'failed')
  const ended = (name: string): readonly unknown[] => {
    const { exitCode, reason, message } = stateOf(found, name).state!.terminated!
    return [exitCode, reason, message]
  }
  assert.deepEqual(ended('first'), [0, 'Completed', 'prepared\n'])
  assert.deepEqual(ended('well'), [0, 'Completed', undefined])
  assert.deepEqual(ended('badly'), [3, 'Error', 'last words\n'])
  assert.deepEqual(ended('greedy'), [137, 'OOMKilled', 'before\n'])
})

test('a container without a command runs what its image says; args replace its arguments alone', { skip }, async () => {
  await importBusybox(engine, 'test/entry:1', 'ENTRYPOINT ["echo","entry"]', 'CMD ["default"]', 'WORKDIR /tmp')
  const containers = [
    { name: 'image', image: 'test/entry:1' },
    { name: 'args', image: 'test/entry:1', args: ['own'] },
    { name: 'command', image: 'test/entry:1', command: ['pwd'] },
    { name: 'directory', image: 'test/entry:1', command: ['pwd'], workingDir: '/root' },
  ]
  await apply(pod('entry', { restartPolicy: 'Never', containers }))
  await until('entry', ({ status }) => status?.phase === 'Succeeded', 'succeeded')
  const logs = await Promise.all(containers.map(({ name }) => k('logs', 'entry', '-c', name)))
  assert.deepEqual(logs, ['entry default\n', 'entry own\n', '/tmp\n', '/root\n'])
})

test('what cannot start says why, in the words of Kubernetes', { skip }, async () => {
  await apply(
    pod('wrong', {
      containers: [
        { name: 'program', image: BUSYBOX_IMAGE, command: ['no-such-program'] },
        { name: 'registry', image: 'localhost:1/none:1' },
        { name: 'never', image: 'absent:1', imagePullPolicy: 'Never' },
        { name: 'root', image: BUSYBOX_IMAGE, securityContext: { runAsNonRoot: true } },
        { name: 'name', image: 'Case:1' },
      ],
    }),
  )
  const found = await until(
    'wrong',
    (candidate) => {
      const waiting = ['registry', 'never', 'root', 'name'].map((n) => stateOf(candidate, n)?.state?.waiting?.reason)
      return (
        waiting.join() === 'ImagePullBackOff,ErrImageNeverPull,CreateContainerConfigError,InvalidImageName' &&
        stateOf(candidate, 'program').lastState?.terminated !== undefined
      )
    },
    'every reason',
  )
  assert.equal(stateOf(found, 'program').lastState!.terminated!.exitCode, 127)
  assert.match(
    stateOf(found, 'registry').state!.waiting!.message!,
    /^Back-off pulling image "localhost:1\/none:1": ErrImagePull: .*refused/,
  )
  const said = await events('wrong')
  for (const text of [
    'Failed: Error: ErrImagePull',
    'Failed: Error: ErrImageNeverPull',
    'BackOff: Back-off pulling image "localhost:1/none:1"',
    'Pulling: Pulling image "localhost:1/none:1"',
    `Pulled: Container image "${BUSYBOX_IMAGE}" already present on machine`,
    'ErrImageNeverPull: Container image "absent:1" is not present with pull policy of Never',
    'Failed: Error: container has runAsNonRoot and image will run as root',
  ])
    assert.ok(said.includes(text), `${text} is not among ${said.join('\n')}`)
  await k('delete', 'pod', 'wrong', '--wait=false')
})

test('probes and hooks run in the container', { skip }, async () => {
  await apply(
    pod('probed', {
      terminationGracePeriodSeconds: 5,
      volumes: [{ name: 'out', emptyDir: {} }],
      containers: [
        shell('main', `httpd -p 8080 -h /tmp; touch /tmp/ok; ${WAIT}`, {
          volumeMounts: [{ name: 'out', mountPath: '/out' }],
          lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo started > /out/hook'] } } },
          startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 30 },
          // A busy machine takes its time to run a command.
          readinessProbe: { exec: { command: ['cat', '/tmp/ok'] }, periodSeconds: 1, timeoutSeconds: 10 },
          livenessProbe: {
            exec: { command: ['sh', '-c', 'test ! -e /out/sick'] },
            periodSeconds: 1,
            timeoutSeconds: 10,
            failureThreshold: 1,
          },
        }),
      ],
    }),
  )
  await until('probed', isReady, 'ready')
  assert.equal(await k('exec', 'probed', '--', 'cat', '/out/hook'), 'started\n')
  await k('exec', 'probed', '--', 'rm', '/tmp/ok')
  await until('probed', (found) => !isReady(found), 'not ready')
  // It stays, since an emptyDir outlives the container: later attempts are ended as well.
  await k('exec', 'probed', '--', 'touch', '/out/sick')
  const found = await until('probed', (p) => stateOf(p, 'main').restartCount > 0, 'a restart')
  assert.equal(stateOf(found, 'main').lastState?.terminated?.exitCode, 137)
})

for (const kubectl of all)
  describe(`streams with kubectl ${kubectl.minor}`, { skip }, () => {
    const name = `streams-${kubectl.minor.replace('.', '-')}`
    const own = (...args: string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, args)

    before(async () => {
      if (skip !== false) return
      const talk = 'echo out; echo err >&2; while read line; do echo "got $line"; done; sleep 1000'
      await apply(
        pod(name, {
          containers: [
            shell('main', talk, { stdin: true }),
            shell('web', `echo hello > /tmp/index.html; httpd -p 8080 -h /tmp; ${WAIT}`),
          ],
        }),
      )
      await until(name, isReady, 'ready')
    })

    test('exec: output, error, input, exit code', async () => {
      const both = await runKubectl(kubectl, cluster.kubeconfig, [
        'exec',
        name,
        '-c',
        'main',
        '--',
        'sh',
        '-c',
        'echo o; echo e >&2; exit 7',
      ])
      assert.deepEqual([both.stdout, both.code], ['o\n', 7])
      assert.match(both.stderr, /^e$/m)
      const input = Buffer.alloc(1_000_000, 'abcdefg\n').toString()
      const echoed = await kubectlOk(kubectl, cluster.kubeconfig, ['exec', '-i', name, '-c', 'main', '--', 'cat'], {
        input,
      })
      assert.ok(echoed === input, `${echoed.length} of ${input.length} bytes came back`)
      const missing = await runKubectl(kubectl, cluster.kubeconfig, [
        'exec',
        name,
        '-c',
        'main',
        '--',
        'no-such-program',
      ])
      assert.ok([126, 127].includes(missing.code), String(missing.code))
      assert.match(missing.stdout + missing.stderr, /executable file not found/)
    })

    test('a terminal has the client’s size', { skip: SCRIPT_MISSING }, async () => {
      const exec = `${kubectl.path} --kubeconfig ${cluster.kubeconfig} exec -it ${name} -c main`
      const command = `stty rows 33 cols 44; ${exec} -- sh -c 'sleep 1; tty; stty size'`
      const { stdout } = spawnSync('sh', ['-c', 'script -qec "$0" /dev/null', command], { input: '', timeout: 20_000 })
      assert.match(stdout.toString(), /\/dev\/pts\/\d+\s+33 44/)
    })

    test('attach: what the container writes from now on, and its input', async () => {
      const { stdout } = await runKubectl(kubectl, cluster.kubeconfig, ['attach', '-i', name, '-c', 'main'], {
        input: 'line one\nline two\n',
        timeoutMs: 4_000,
      })
      assert.match(stdout, /got line one\ngot line two/)
    })

    test('cp both ways', async () => {
      const file = join(engine.directory, `${name}.txt`)
      writeFileSync(file, 'carried\n')
      await own('cp', file, `${name}:/tmp/carried`, '-c', 'main')
      assert.equal(await own('exec', name, '-c', 'main', '--', 'cat', '/tmp/carried'), 'carried\n')
      await own('cp', `${name}:/tmp/carried`, `${file}.back`, '-c', 'main')
    })

    test('logs: both streams, the last lines, timestamps', async () => {
      assert.match(await own('logs', name, '-c', 'main'), /^out$/m)
      assert.match(await own('logs', name, '-c', 'main'), /^err$/m)
      assert.equal((await own('logs', name, '-c', 'main', '--tail=1')).trimEnd().split('\n').length, 1)
      assert.match(await own('logs', name, '-c', 'main', '--timestamps', '--tail=1'), /^\d{4}-\d\d-\d\dT[\d:.]+Z /)
      assert.equal(
        await own('logs', name, '-c', 'main', '--limit-bytes=2'),
        (await own('logs', name, '-c', 'main')).slice(0, 2),
      )
    })
  })

test('port-forward reaches the pod', { skip }, async () => {
  const { spawnKubectl } = await import('../harness/kubectl.ts')
  const child = spawnKubectl(newest!, cluster.kubeconfig, ['port-forward', 'pod/shared', ':8080'])
  try {
    let text = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    const port = await eventually(() => /127\.0\.0\.1:(\d+)/.exec(text)?.[1], 20_000, 'a port')
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'page\n')
  } finally {
    child.kill()
  }
})

test('logs follow a container, and those of the attempt before stay', { skip }, async () => {
  await apply(pod('crashing', { containers: [shell('main', 'echo attempt; sleep 1; exit 1')] }))
  await until('crashing', (found) => stateOf(found, 'main').restartCount >= 1, 'a restart')
  assert.equal(await k('logs', '--previous', 'crashing'), 'attempt\n')
  await apply(
    pod('counting', {
      restartPolicy: 'Never',
      containers: [shell('main', 'for i in 1 2 3; do echo $i; sleep 1; done')],
    }),
  )
  await until('counting', (found) => stateOf(found, 'main')?.state?.waiting === undefined, 'started')
  assert.equal(await k('logs', '--follow', 'counting'), '1\n2\n3\n')
  await k('delete', 'pod', 'crashing')
})

test('top shows what containers use', { skip }, async () => {
  await apply(
    pod('busy', { containers: [shell('main', 'while true; do :; done', { resources: { limits: { cpu: '200m' } } })] }),
  )
  await until('busy', isReady, 'ready')
  const cpu = await eventually(
    async () => {
      const row = (await k('top', 'pod', 'busy', '--containers', '--no-headers')).trim().split(/\s+/)
      const milli = Number.parseInt(row[2]!, 10)
      return milli > 50 ? milli : undefined
    },
    60_000,
    'a sample',
  )
  assert.ok(cpu < 400, `${cpu}m of a container that may use 200m`)
  assert.match(await k('top', 'nodes'), /wherry-1/)
  await k('delete', 'pod', 'busy')
})

test('host ports and the host’s network', { skip }, async () => {
  await apply(
    pod('hosted', {
      containers: [
        shell('main', `echo hosted > /tmp/index.html; httpd -p 8080 -h /tmp; ${WAIT}`, {
          ports: [{ containerPort: 8080, hostPort: 31_780 }],
        }),
      ],
    }),
    pod('bare', { hostNetwork: true, containers: [shell('main', WAIT)] }),
  )
  const found = await until('hosted', isReady, 'ready')
  const node = (await cluster.status()).nodes.find(({ name }) => name === found.spec?.nodeName)!
  assert.equal(await (await fetch(`http://${node.address}:31780/`)).text(), 'hosted\n')
  const bare = await until('bare', isReady, 'ready')
  assert.equal(bare.status?.podIP, bare.status?.hostIP)
  assert.match(await k('exec', 'bare', '--', 'ip', 'addr'), /wherry\d+/)
})

describe('registries', { skip: skip === false ? (REGISTRY_MISSING ?? false) : skip }, () => {
  test('an image is pulled by its policy, and again only when that says so', async () => {
    const registry = await startRegistry({ private: false })
    try {
      const image = `${registry.host}/pulled:1`
      await engine.docker('tag', BUSYBOX_IMAGE, image)
      await engine.docker('push', image)
      await engine.docker('rmi', image)
      await apply(pod('pulled', { containers: [{ ...shell('main', WAIT), image }] }))
      const found = await until('pulled', isReady, 'ready')
      assert.match(stateOf(found, 'main').imageID, /sha256:[0-9a-f]{64}$/)
      const said = await events('pulled')
      assert.ok(said.includes(`Pulling: Pulling image "${image}"`), said.join('\n'))
      assert.ok(said.some((text) => text.startsWith(`Pulled: Successfully pulled image "${image}" in `)))
      // What is here is not asked for; Always asks.
      registry.close()
      await apply(
        pod('present', { containers: [{ ...shell('main', WAIT), image }] }),
        pod('always', { containers: [{ ...shell('main', WAIT), image, imagePullPolicy: 'Always' }] }),
      )
      await until('present', isReady, 'ready')
      await until(
        'always',
        (p) => stateOf(p, 'main')?.state?.waiting?.reason === 'ImagePullBackOff',
        'ImagePullBackOff',
      )
    } finally {
      registry.close()
    }
  })

  test('a registry that asks who comes is told by the pod’s pull secrets', async () => {
    const registry = await startRegistry({ private: true })
    try {
      const { username, password } = REGISTRY_USER
      const image = `${registry.host}/team/secret:1`
      await engine.docker('login', '-u', username, '-p', password, registry.host)
      await engine.docker('tag', BUSYBOX_IMAGE, image)
      await engine.docker('push', image)
      await engine.docker('rmi', image)
      await engine.docker('logout', registry.host)
      await k(
        ...['create', 'secret', 'docker-registry', 'pull', `--docker-server=${registry.host}`],
        ...[`--docker-username=${username}`, `--docker-password=${password}`],
      )
      const container = { ...shell('main', WAIT), image }
      await apply(pod('stranger', { containers: [container] }))
      const refused = await until(
        'stranger',
        (p) => stateOf(p, 'main')?.state?.waiting?.reason === 'ImagePullBackOff',
        'refused',
      )
      assert.match(stateOf(refused, 'main').state!.waiting!.message!, /auth|unauthorized|denied/i)
      await apply(pod('friend', { imagePullSecrets: [{ name: 'nowhere' }, { name: 'pull' }], containers: [container] }))
      await until('friend', isReady, 'ready')
      assert.ok((await events('friend')).some((text) => text.startsWith('FailedToRetrieveImagePullSecret: ')))
    } finally {
      registry.close()
    }
  })
})

test('deleted pods leave nothing in the engine', { skip }, async () => {
  await k('delete', 'pods', '--all', '--timeout=80s')
  await eventually(
    async () => {
      const left = await engine.docker('ps', '--all', '--format', '{{.Names}}')
      const volumes = await engine.docker('volume', 'ls', '--quiet')
      return left === '' && volumes === '' ? true : undefined
    },
    30_000,
    'an empty engine',
  )
})

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { startTestCluster, type TestCluster } from '../../harness/cluster.ts'
import {
  BUSYBOX_IMAGE,
  DOCKER_MISSING,
  importBusybox,
  startDockerEngine,
  type TestEngine,
} from '../../harness/docker-engine.ts'
import { eventually } from '../../harness/eventually.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls } from '../../harness/kubectl.ts'
import { runWherry } from '../../harness/wherry.ts'

// What may happen to an engine, to what it runs, and to who looks after it.
const [kubectl] = kubectls().slice(-1)
const skip = DOCKER_MISSING ?? (kubectl === undefined ? KUBECTL_MISSING : false)

let engine: TestEngine
let cluster: TestCluster

function k(...args: string[]): Promise<string> {
  return kubectlOk(kubectl!, cluster.kubeconfig, args, { timeoutMs: 60_000 })
}

async function deploy(name: string, replicas: number): Promise<void> {
  const labels = { app: name }
  const command = ['sh', '-c', 'httpd -p 8080 -h /bin; while true; do sleep 1; done']
  const probe = { tcpSocket: { port: 8080 }, periodSeconds: 1 }
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'main', image: BUSYBOX_IMAGE, command, readinessProbe: probe }],
        },
      },
    },
  }
  await kubectlOk(kubectl!, cluster.kubeconfig, ['apply', '-f', '-'], { input: JSON.stringify(deployment) })
  await k('rollout', 'status', `deployment/${name}`, '--timeout=50s')
}

async function pods(app: string): Promise<readonly Pod[]> {
  return JSON.parse(await k('get', 'pods', '-l', `app=${app}`, '-o', 'json')).items
}

function containerId({ status }: Pod): string {
  return status!.containerStatuses![0]!.containerID!.replace('docker://', '')
}

function restarts({ status }: Pod): number {
  return status!.containerStatuses![0]!.restartCount
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true
}

/** Waits until all pods of an app run, are ready, and are no more in the engine than there should be. */
function settled(
  app: string,
  count: number,
  check: (all: readonly Pod[]) => boolean = () => true,
): Promise<readonly Pod[]> {
  return eventually(async () => {
    const all = await pods(app)
    if (all.length !== count || !all.every(isReady) || !check(all))
      throw new Error(JSON.stringify(all.map((p) => p.status)))
    const running = await engine.docker('ps', '--quiet', '--no-trunc', '--filter', `name=k8s_main_${app}-`)
    assert.deepEqual(running.split('\n').sort(), all.map(containerId).sort())
    return all
  }, 90_000)
}

async function readiness(): Promise<{ readonly status: string; readonly message: string }> {
  const [node] = JSON.parse(await k('get', 'nodes', '-o', 'json')).items
  return node.status.conditions.find(({ type }: { readonly type: string }) => type === 'Ready')
}

before(async () => {
  if (skip !== false) return
  engine = await startDockerEngine()
  await importBusybox(engine)
  cluster = await startTestCluster(['--runtime', 'docker', '--docker-host', engine.host])
})
after(async () => {
  await cluster?.destroy()
  await engine?.close()
})

test('an engine that is not there is told of at the start', { skip }, async () => {
  const { code, stderr } = await runWherry([
    ...['up', '--data-dir', `${engine.directory}/none`, '--runtime', 'docker'],
    ...['--docker-host', 'unix:///nowhere/docker.sock'],
  ])
  assert.equal(code, 1)
  assert.match(stderr, /nothing answers at unix:\/\/\/nowhere\/docker\.sock/)
  assert.match(stderr, /--docker-host|--runtime process/)
})

test('a cluster does not change its runtime', { skip }, async () => {
  await cluster.interrupt()
  const { code, stderr } = await runWherry(['up', '--data-dir', cluster.dataDir, '--runtime', 'process'])
  assert.deepEqual([code, /docker runtime/.test(stderr)], [1, true], stderr)
  await cluster.restart([])
})

test('an agent that was killed finds its containers again: none twice, none restarted', { skip }, async () => {
  await deploy('kept', 3)
  const before = await settled('kept', 3)
  const agent = async (): Promise<number> =>
    (await cluster.status()).processes.find(({ role, alive }) => role === 'agent' && alive)!.pid
  for (let round = 0; round < 3; round++) {
    const pid = await agent()
    process.kill(pid, 'SIGKILL')
    await eventually(async () => ((await agent()) !== pid ? true : undefined), 20_000)
  }
  await deploy('later', 1)
  const now = await settled('kept', 3)
  assert.deepEqual(now.map(containerId).sort(), before.map(containerId).sort())
  assert.deepEqual(now.map(restarts), [0, 0, 0])
})

test('a container that is removed behind our back is started anew, one that is killed is restarted', {
  skip,
}, async () => {
  const [first, second] = await settled('kept', 3)
  await engine.docker('rm', '--force', containerId(first!))
  await engine.docker('kill', containerId(second!))
  const names = [first!, second!].map(({ metadata }) => metadata!.name)
  await settled(
    'kept',
    3,
    (all) => all.filter((p) => names.includes(p.metadata!.name) && restarts(p) === 1).length === 2,
  )
})

test('a sandbox that is removed comes back with the pod’s address, and the container in it', { skip }, async () => {
  const [first] = await settled('kept', 3)
  const { uid, name } = first!.metadata!
  const sandbox = await engine.docker(
    'ps',
    '--quiet',
    '--filter',
    `label=io.kubernetes.pod.uid=${uid}`,
    '--filter',
    'name=k8s_POD',
  )
  await engine.docker('rm', '--force', sandbox)
  const all = await settled('kept', 3, (found) => {
    const same = found.find((p) => p.metadata!.name === name)
    return same !== undefined && restarts(same) > restarts(first!)
  })
  const { podIP } = all.find((p) => p.metadata!.name === name)!.status!
  assert.equal(podIP, first!.status!.podIP)
  assert.equal((await fetch(`http://${podIP}:8080/echo`)).status, 200)
})

test('an engine that is restarted: everything runs again', { skip }, async () => {
  const before = await settled('kept', 3)
  await engine.end('SIGTERM')
  engine.start()
  await engine.ready()
  const now = await settled('kept', 3, (all) => all.every((p, i) => restarts(p) > restarts(before[i]!)))
  assert.deepEqual(now.map(({ status }) => status!.podIP).sort(), before.map(({ status }) => status!.podIP).sort())
})

test('an engine that crashes: everything runs again', { skip }, async () => {
  await settled('kept', 3)
  await engine.end('SIGKILL')
  engine.start()
  await engine.ready()
  await settled('kept', 3)
})

test('an engine that hangs makes the node not ready, says why, and is taken up again', { skip }, async () => {
  const before = await settled('kept', 3)
  engine.signal('SIGSTOP')
  try {
    const condition = await eventually(async () => {
      const found = await readiness()
      return found.status === 'False' ? found : undefined
    }, 60_000)
    assert.match(condition.message, /^container runtime is down: no answer from unix:/)
    await k('scale', 'deployment', 'kept', '--replicas=4')
  } finally {
    engine.signal('SIGCONT')
  }
  await eventually(async () => ((await readiness()).status === 'True' ? true : undefined), 60_000)
  const now = await settled('kept', 4)
  const ids = now.map(containerId)
  assert.deepEqual(
    before.map(containerId).filter((id) => !ids.includes(id)),
    [],
  )
})

test('an agent that starts without its engine says so and begins when it comes', { skip }, async () => {
  await settled('kept', 4)
  await engine.end('SIGTERM')
  const { processes } = await cluster.status()
  process.kill(processes.find(({ role }) => role === 'agent')!.pid, 'SIGKILL')
  await eventually(async () => {
    const found = await readiness()
    return found.status === 'False' && /nothing answers/.test(found.message) ? true : undefined
  }, 60_000)
  engine.start()
  await engine.ready()
  await settled('kept', 4)
  await eventually(async () => ((await readiness()).status === 'True' ? true : undefined), 30_000)
})

test('what the network was made of may go and comes back', { skip }, async () => {
  await k('delete', 'deployment', 'kept', 'later', '--wait')
  await eventually(async () => ((await engine.docker('ps', '--all', '--quiet')) === '' ? true : undefined), 30_000)
  await engine.docker('network', 'prune', '--force')
  await engine.docker('image', 'rm', ...(await engine.docker('images', '--quiet', 'wherry/pause')).split('\n'))
  await deploy('kept', 2)
  await settled('kept', 2)
})

test('two clusters on one engine leave each other alone', { skip }, async () => {
  const other = await startTestCluster(['--runtime', 'docker', '--docker-host', engine.host])
  try {
    const input = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'alone' },
      spec: { containers: [{ name: 'main', image: BUSYBOX_IMAGE, command: ['sleep', '1000'] }] },
    })
    await kubectlOk(kubectl!, other.kubeconfig, ['apply', '-f', '-'], { input })
    await kubectlOk(kubectl!, other.kubeconfig, ['wait', '--for=condition=Ready', 'pod/alone', '--timeout=50s'])
    const alone = await engine.docker('ps', '--quiet', '--filter', 'name=k8s_main_alone')
    const before = await settled('kept', 2)
    // Each looks for what it knows nothing of when it starts.
    for (const one of [cluster, other]) {
      const { processes } = await one.status()
      const { pid } = processes.find(({ role }) => role === 'agent')!
      process.kill(pid, 'SIGKILL')
      await eventually(async () => {
        const now = (await one.status()).processes.find(({ role, alive }) => role === 'agent' && alive)
        return now !== undefined && now.pid !== pid ? true : undefined
      }, 20_000)
    }
    const now = await settled('kept', 2)
    assert.deepEqual(now.map(containerId).sort(), before.map(containerId).sort())
    assert.equal(await engine.docker('ps', '--quiet', '--filter', 'name=k8s_main_alone'), alone)
  } finally {
    await other.destroy()
  }
  await settled('kept', 2)
})

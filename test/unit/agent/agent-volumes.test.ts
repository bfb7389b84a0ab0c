import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { VolumeLimits } from '../../../src/agent/pod/volume-limits.ts'
import { CONFIG_MAPS, PODS } from '../../../src/api/resource-type.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { eventually } from '../../harness/eventually.ts'
import {
  impatientClock,
  isReady,
  isRunning,
  NODE,
  nodeContainer,
  startTestNode,
  type TestNode,
} from './agent-fixture.ts'
import { podWith, startVolumes } from './volumes-fixture.ts'

const IDLE = 'setInterval(() => {}, 1000)'

function volumePath(node: TestNode, pod: Pod, ...names: readonly string[]): string {
  return join(node.dataDir, 'nodes', NODE.name, 'pods', pod.metadata?.uid ?? '', 'volumes', ...names)
}

async function logOf(node: TestNode, name: string): Promise<string> {
  const parts: Uint8Array[] = []
  const options = { follow: false, previous: false, timestamps: false }
  for await (const part of await node.logs.open('default', name, 'main', options, AbortSignal.timeout(5_000)))
    parts.push(part)
  return Buffer.concat(parts).toString()
}

test('a running container sees a ConfigMap change, whole and by subPath', async (t) => {
  const node = await startTestNode(t)
  const config = (text: string): object => ({
    metadata: { name: 'c', namespace: 'default' },
    data: { 'app.conf': text },
  })
  await node.client.create(CONFIG_MAPS, config('one'))
  const script = `
    const { readFileSync } = require('fs')
    let last = ''
    setInterval(() => {
      const text = ['etc/app/app.conf', 'etc/one.conf'].map((file) => readFileSync(file, 'utf8')).join(' ')
      if (text !== last) console.log(last = text)
    }, 20)`
  await node.createPod('web', {
    containers: [
      nodeContainer(script, {
        volumeMounts: [
          { name: 'v', mountPath: '/etc/app' },
          { name: 'v', mountPath: '/etc/one.conf', subPath: 'app.conf' },
        ],
      }),
    ],
    volumes: [{ name: 'v', configMap: { name: 'c' } }],
  })
  await node.until('web', isReady, 'ready')
  await eventually(async () => ((await logOf(node, 'web')).includes('one one') ? true : undefined))
  await node.client.update(CONFIG_MAPS, config('two'))
  await eventually(async () => ((await logOf(node, 'web')).includes('two two') ? true : undefined))
})

test('a missing ConfigMap shows as FailedMount, and the pod starts once it is there', async (t) => {
  const node = await startTestNode(t)
  await node.createPod('web', {
    containers: [nodeContainer(IDLE)],
    volumes: [{ name: 'v', configMap: { name: 'late' } }],
  })
  await eventually(async () =>
    (await node.eventTexts('web')).includes(
      'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "late" not found',
    )
      ? true
      : undefined,
  )
  const { status } = await node.client.get(PODS, { namespace: 'default', name: 'web' })
  assert.equal(status?.containerStatuses?.[0]?.state?.waiting?.reason, 'ContainerCreating')
  await node.client.create(CONFIG_MAPS, { metadata: { name: 'late', namespace: 'default' } })
  await node.until('web', isReady, 'ready')
})

test('containers of a pod share an emptyDir, which outlives restarts of container and agent', async (t) => {
  const node = await startTestNode(t)
  const mounts = { volumeMounts: [{ name: 'w', mountPath: '/work' }] }
  const append = `require('fs').appendFileSync('work/log', process.env.STEP + ' ')`
  const step = (name: string): object => ({ ...mounts, env: [{ name: 'STEP', value: name }] })
  const pod = await node.createPod('web', {
    initContainers: [nodeContainer(append, { ...step('init'), name: 'init' })],
    containers: [nodeContainer(`${append}; ${IDLE}`, step('main'))],
    volumes: [{ name: 'w', emptyDir: {} }],
  })
  await node.until('web', isReady, 'ready')
  const log = volumePath(node, pod, 'w/log')
  await eventually(() => (readFileSync(log, 'utf8') === 'init main ' ? true : undefined))
  await node.restart()
  await node.client.patch(
    PODS,
    { namespace: 'default', name: 'web' },
    { spec: { containers: [{ name: 'main', image: 'other' }] } },
  )
  await node.until('web', ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1, 'restarted')
  await eventually(() => (readFileSync(log, 'utf8') === 'init main main ' ? true : undefined))
  const events = await eventually(async () => {
    const texts = await node.eventTexts('web')
    return texts.some((text) => text.startsWith('Killing:')) ? texts : undefined
  })
  assert.ok(events.includes('Killing: Container main definition changed, will be restarted'), events.join('\n'))
})

test('a link that leads out of an emptyDir costs the host nothing when the pod goes', async (t) => {
  const victim = mkdtempSync(join(tmpdir(), 'wherry-victim-'))
  t.after(() => rmSync(victim, { recursive: true }))
  writeFileSync(join(victim, 'precious'), '')
  mkdirSync(join(victim, 'sub'))
  const node = await startTestNode(t)
  const script = `
    const fs = require('fs')
    fs.symlinkSync(process.env.VICTIM, 'work/out')
    fs.symlinkSync(process.env.VICTIM, 'out')
    fs.mkdirSync('work/closed/in', { recursive: true })
    fs.chmodSync('work/closed', 0)
    ${IDLE}`
  const pod = await node.createPod('web', {
    containers: [
      nodeContainer(script, {
        volumeMounts: [{ name: 'w', mountPath: '/work' }],
        env: [{ name: 'VICTIM', value: victim }],
      }),
    ],
    volumes: [{ name: 'w', emptyDir: {} }],
  })
  await node.until('web', isReady, 'ready')
  await eventually(() => (existsSync(volumePath(node, pod, 'w/closed')) ? true : undefined))
  await node.client.delete(PODS, { namespace: 'default', name: 'web' })
  await node.untilGone('web')
  assert.deepEqual(readdirSync(join(node.dataDir, 'nodes', NODE.name, 'pods')), [])
  assert.deepEqual(readdirSync(victim).sort(), ['precious', 'sub'])
})

test('a pod that is done gives up its volumes, and its log can still be read', async (t) => {
  const node = await startTestNode(t)
  const pod = await node.createPod('job', {
    restartPolicy: 'Never',
    containers: [
      nodeContainer(`require('fs').writeFileSync('work/big', 'x'); console.log('done')`, {
        volumeMounts: [{ name: 'w', mountPath: '/work' }],
      }),
    ],
    volumes: [{ name: 'w', emptyDir: {} }],
  })
  await node.until('job', ({ status }) => status?.phase === 'Succeeded', 'done')
  await eventually(() => (existsSync(volumePath(node, pod)) ? undefined : true), 10_000, 'the end of the volumes')
  assert.equal(await logOf(node, 'job'), 'done\n')
  await node.restart()
  assert.equal((await node.client.get(PODS, { namespace: 'default', name: 'job' })).status?.phase, 'Succeeded')
})

test('an emptyDir over its limit has its pod evicted', async (t) => {
  const node = await startTestNode(t, { clock: impatientClock })
  await node.createPod('web', {
    containers: [
      nodeContainer(`require('fs').writeFileSync('work/big', Buffer.alloc(300_000)); ${IDLE}`, {
        volumeMounts: [{ name: 'w', mountPath: '/work' }],
      }),
    ],
    volumes: [{ name: 'w', emptyDir: { sizeLimit: '200Ki' } }],
  })
  const { status } = await node.until('web', (pod) => pod.status?.phase === 'Failed', 'evicted')
  const message = 'Usage of EmptyDir volume "w" exceeds the limit "200Ki". '
  assert.deepEqual([status?.reason, status?.message], ['Evicted', message])
  await eventually(async () => ((await node.eventTexts('web')).includes(`Evicted: ${message}`) ? true : undefined))
})

test('the use of emptyDirs: blocks on disk, whatever links say', async (t) => {
  const { manager, bind, prepare, contextOf, path, directory } = await startVolumes(t)
  const pod = await bind(
    podWith([
      { name: 'free', emptyDir: {} },
      { name: 'small', emptyDir: { sizeLimit: '100Ki' } },
    ]),
  )
  await prepare(pod)
  const overuse = (): Promise<string | undefined> => manager.overuse(pod, contextOf(pod))
  writeFileSync(path(pod, 'free', 'big'), Buffer.alloc(1_000_000))
  writeFileSync(join(directory, 'outside'), Buffer.alloc(1_000_000))
  symlinkSync(join(directory, 'outside'), path(pod, 'small', 'link'))
  assert.equal(await overuse(), undefined)
  mkdirSync(path(pod, 'small', 'd'))
  writeFileSync(path(pod, 'small', 'd/big'), Buffer.alloc(110_000))
  assert.equal(await overuse(), 'Usage of EmptyDir volume "small" exceeds the limit "100Ki". ')
})

test('volumes are looked at only where there is a limit, and told of once', async () => {
  const clock = new VirtualClock()
  const [limited, free] = [{ emptyDir: { sizeLimit: '1Mi' } }, { emptyDir: { sizeLimit: '0' } }]
  const looks: string[] = []
  const told: string[] = []
  const begin = (name: string, volume: object): VolumeLimits => {
    const overuse = async (): Promise<string | undefined> => {
      looks.push(name)
      return looks.length === 3 ? 'too much' : undefined
    }
    const limits = new VolumeLimits(clock, { overuse }, (message) => void told.push(`${name}: ${message}`))
    limits.watch(podWith([{ name: 'v', ...volume }]), { podDirectory: '', podIp: '', hostIp: '' })
    return limits
  }
  begin('free', free)
  const closed = begin('closed', limited)
  closed.close()
  begin('limited', limited)
  await clock.advance(100_000)
  assert.deepEqual(looks, ['limited', 'limited', 'limited'])
  assert.deepEqual(told, ['limited: too much'])
})

test('what the process runtime cannot keep is told', async (t) => {
  const node = await startTestNode(t)
  await node.createPod('web', {
    containers: [nodeContainer(IDLE, { volumeMounts: [{ name: 'h', mountPath: '/host', readOnly: true }] })],
    volumes: [{ name: 'h', hostPath: { path: '/usr', type: 'Directory' } }],
  })
  await node.until('web', isRunning, 'running')
  const want = 'ReadOnlyNotEnforced: The process runtime does not keep container main from writing to /host'
  await eventually(async () => ((await node.eventTexts('web')).includes(want) ? true : undefined))
})

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CONFIG_MAPS, SECRETS } from '../../../src/api/resource-type.ts'
import { eventually } from '../../harness/eventually.ts'
import { POD_UID, podWith, startVolumes } from './volumes-fixture.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const modeOf = (path: string): number => statSync(path).mode & 0o777

test('configMap, secret, downwardAPI and projected volumes hold what they name', async (t) => {
  const { client, manager, context, path } = await startVolumes(t)
  await client.create(CONFIG_MAPS, {
    metadata: { name: 'settings', namespace: 'default' },
    data: { 'app.conf': 'a=1', extra: 'x' },
    binaryData: { blob: base64('\0\x01') },
  })
  await client.create(SECRETS, {
    metadata: { name: 'keys', namespace: 'default' },
    data: { token: base64('t1'), other: base64('t2') },
  })
  const pod = podWith(
    [
      { name: 'all', configMap: { name: 'settings' } },
      {
        name: 'some',
        secret: {
          secretName: 'keys',
          defaultMode: 0o400,
          items: [{ key: 'token', path: 'deep/er/token', mode: 0o440 }],
        },
      },
      {
        name: 'self',
        downwardAPI: {
          items: [
            { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
            { path: 'cpu', resourceFieldRef: { containerName: 'main', resource: 'limits.cpu', divisor: '1m' } },
          ],
        },
      },
      {
        name: 'mixed',
        projected: {
          defaultMode: 0o600,
          sources: [
            { configMap: { name: 'settings', items: [{ key: 'extra', path: 'one' }] } },
            { secret: { name: 'keys' } },
            { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
          ],
        },
      },
    ],
    { containers: [{ name: 'main', image: 'none', resources: { limits: { cpu: '250m' } } }] },
    { labels: { b: '2', a: 'x"y' } },
  )
  const paths = await manager.prepare(pod, context)
  assert.deepEqual(
    [...paths],
    ['all', 'some', 'self', 'mixed'].map((name) => [name, path(name)]),
  )
  const read = (...names: string[]): string => readFileSync(path(...names), 'latin1')
  assert.deepEqual([read('all', 'app.conf'), read('all', 'extra'), read('all', 'blob')], ['a=1', 'x', '\0\x01'])
  assert.equal(modeOf(path('all', 'extra')), 0o644)
  assert.equal(read('some', 'deep/er/token'), 't1')
  assert.equal(modeOf(path('some', 'deep/er/token')), 0o440)
  assert.equal(existsSync(path('some', 'other')), false)
  assert.equal(read('self', 'labels'), 'a="x\\"y"\nb="2"')
  assert.equal(read('self', 'cpu'), '250')
  assert.deepEqual(
    readdirSync(path('mixed'))
      .filter((name) => !name.startsWith('..'))
      .sort(),
    ['name', 'one', 'other', 'token'],
  )
  assert.equal(modeOf(path('mixed', 'token')), 0o600)
})

test('a changed ConfigMap shows in every volume of every pod that has it, one that appears, too', async (t) => {
  const { client, manager, context, path } = await startVolumes(t)
  const config = (data: Record<string, string>): object => ({ metadata: { name: 'c', namespace: 'default' }, data })
  await client.create(CONFIG_MAPS, config({ a: '1', b: '1' }))
  const pod = podWith([
    { name: 'v', configMap: { name: 'c' } },
    { name: 'w', projected: { sources: [{ configMap: { name: 'later', optional: true } }] } },
  ])
  await manager.prepare(pod, context)
  assert.deepEqual(readdirSync(path('w')).length, 2, '..data and its directory')
  await client.update(CONFIG_MAPS, config({ a: '2', c: '2' }))
  await eventually(() => (existsSync(path('v', 'c')) ? true : undefined), 10_000, 'the change')
  assert.equal(readFileSync(path('v', 'a'), 'utf8'), '2')
  assert.equal(existsSync(path('v', 'b')), false)
  await client.create(CONFIG_MAPS, { metadata: { name: 'later', namespace: 'default' }, data: { x: 'y' } })
  await eventually(() => (existsSync(path('w', 'x')) ? true : undefined), 10_000, 'the new one')
  await client.delete(CONFIG_MAPS, { name: 'later', namespace: 'default' })
  await eventually(() => (existsSync(path('w', 'x')) ? undefined : true), 10_000, 'its end')
})

test('what is missing is named in the words of the kubelet', async (t) => {
  const { client, manager, context } = await startVolumes(t)
  await client.create(CONFIG_MAPS, { metadata: { name: 'c', namespace: 'default' }, data: { a: '1' } })
  await client.create(SECRETS, { metadata: { name: 's', namespace: 'default' }, data: { a: '' } })
  const cases = [
    { given: { configMap: { name: 'no' } }, want: 'configmap "no" not found' },
    { given: { secret: { secretName: 'no' } }, want: 'secret "no" not found' },
    {
      given: { configMap: { name: 'c', items: [{ key: 'k', path: 'p' }] } },
      want: 'configmap references non-existent config key: k',
    },
    {
      given: { secret: { secretName: 's', items: [{ key: 'k', path: 'p' }] } },
      want: 'references non-existent secret key: k',
    },
    {
      given: { hostPath: { path: '/dev/null', type: 'Directory' } },
      want: 'hostPath type check failed: /dev/null is not a directory',
    },
    {
      given: { nfs: { server: 's', path: '/' } },
      want: 'volume type nfs is not supported by this node; possible are configMap, secret, downwardAPI, projected, emptyDir and hostPath',
    },
    {
      given: { projected: { sources: [{ clusterTrustBundle: { path: 'p' } }] } },
      want: 'projected source clusterTrustBundle is not supported here; possible are configMap, secret, downwardAPI and serviceAccountToken',
    },
  ]
  for (const { given, want } of cases) {
    await assert.rejects(manager.prepare(podWith([{ name: 'v', ...given }]), context), {
      name: 'VolumeError',
      message: `MountVolume.SetUp failed for volume "v" : ${want}`,
    })
  }
  const optional = podWith([
    { name: 'a', configMap: { name: 'no', optional: true } },
    { name: 'b', secret: { secretName: 's', optional: true, items: [{ key: 'k', path: 'p' }] } },
  ])
  assert.equal((await manager.prepare(optional, context)).size, 2)
})

test('an emptyDir keeps its content across restarts of the agent and goes with the pod', async (t) => {
  const { manager, again, context, path, directory } = await startVolumes(t)
  const pod = podWith([
    { name: 'scratch', emptyDir: {} },
    { name: 'ram', emptyDir: { medium: 'Memory' } },
  ])
  await manager.prepare(pod, context)
  assert.equal(modeOf(path('scratch')), 0o777)
  writeFileSync(path('scratch', 'kept'), 'k')
  await manager.close()
  const next = again()
  await next.prepare(pod, context)
  assert.equal(readFileSync(path('scratch', 'kept'), 'utf8'), 'k')
  await next.cleanup(POD_UID)
  assert.deepEqual(readdirSync(join(directory, 'pods', POD_UID)), [])
})

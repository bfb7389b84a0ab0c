import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FollowedObjects } from '../../../src/agent/volumes/followed-objects.ts'
import { renewalTime } from '../../../src/agent/volumes/service-account-tokens.ts'
import { CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS } from '../../../src/api/resource-type.ts'
import type { ConfigMap, Volume } from '../../../src/api/types/core-v1.gen.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { eventually } from '../../harness/eventually.ts'
import { podWith, startVolumes } from './volumes-fixture.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const modeOf = (path: string): number => statSync(path).mode & 0o777
const configMap = (name: string, data: Readonly<Record<string, string>>, more: Partial<ConfigMap> = {}): ConfigMap => ({
  metadata: { name, namespace: 'default' },
  data,
  ...more,
})
/** Waits until `probe` holds. */
const until = (probe: () => boolean, what: string): Promise<true> =>
  eventually(() => (probe() ? true : undefined), 10_000, what)

test('configMap, secret, downwardAPI and projected volumes hold what they name', async (t) => {
  const { client, bind, prepare, path } = await startVolumes(t)
  await client.create(
    CONFIG_MAPS,
    configMap('settings', { 'app.conf': 'a=1', extra: 'x' }, { binaryData: { blob: base64('\0\x01') } }),
  )
  await client.create(SECRETS, {
    metadata: { name: 'keys', namespace: 'default' },
    data: { token: base64('t1'), other: base64('t2') },
  })
  const volumes: readonly Volume[] = [
    { name: 'all', configMap: { name: 'settings' } },
    {
      name: 'some',
      secret: { secretName: 'keys', defaultMode: 0o400, items: [{ key: 'token', path: 'deep/er/token', mode: 0o440 }] },
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
  ]
  const containers = [{ name: 'main', image: 'none', resources: { limits: { cpu: '250m' } } }]
  const pod = await bind(podWith(volumes, { containers }, { labels: { b: '2', a: 'x' } }))
  const paths = await prepare(pod)
  assert.deepEqual(
    [...paths],
    volumes.map(({ name }) => [name, path(pod, name)]),
  )
  const read = (...names: string[]): string => readFileSync(path(pod, ...names), 'latin1')
  assert.deepEqual([read('all', 'app.conf'), read('all', 'extra'), read('all', 'blob')], ['a=1', 'x', '\0\x01'])
  assert.equal(modeOf(path(pod, 'all', 'extra')), 0o644)
  assert.equal(read('some', 'deep/er/token'), 't1')
  assert.equal(modeOf(path(pod, 'some', 'deep/er/token')), 0o440)
  assert.equal(existsSync(path(pod, 'some', 'other')), false)
  assert.equal(read('self', 'labels'), 'a="x"\nb="2"')
  assert.equal(read('self', 'cpu'), '250')
  const names = readdirSync(path(pod, 'mixed')).filter((name) => !name.startsWith('..'))
  assert.deepEqual(names.sort(), ['name', 'one', 'other', 'token'])
  assert.equal(modeOf(path(pod, 'mixed', 'token')), 0o600)
})

test('a changed ConfigMap shows in the pods that have it, and one that comes and goes, too', async (t) => {
  const { client, bind, prepare, path, asked } = await startVolumes(t)
  await client.create(CONFIG_MAPS, configMap('c', { a: '1', b: '1' }))
  const volumes: readonly Volume[] = [
    { name: 'v', configMap: { name: 'c' } },
    { name: 'w', projected: { sources: [{ secret: { name: 'later', optional: true } }] } },
  ]
  const [one, two] = [await bind(podWith(volumes)), await bind(podWith(volumes, {}, { name: 'other' }))]
  await Promise.all([prepare(one), prepare(two)])
  assert.deepEqual(readdirSync(path(one, 'w')).length, 2, '..data and its directory')
  await client.update(CONFIG_MAPS, configMap('c', { a: '2', c: '2' }))
  await until(() => existsSync(path(one, 'v', 'c')) && existsSync(path(two, 'v', 'c')), 'the change')
  assert.equal(readFileSync(path(one, 'v', 'a'), 'utf8'), '2')
  assert.equal(existsSync(path(two, 'v', 'b')), false)
  const later = { name: 'later', namespace: 'default' }
  await client.create(SECRETS, { metadata: later, data: { x: 'eQ==' } })
  await until(() => existsSync(path(one, 'w', 'x')), 'the new one')
  await client.delete(SECRETS, later)
  await until(() => !existsSync(path(one, 'w', 'x')), 'its end')
  const watched = asked.filter((text) => text.includes('watch=true')).map((text) => text.split(/[?&]/)[0])
  assert.deepEqual(
    watched.sort(),
    ['GET /api/v1/namespaces/default/configmaps', 'GET /api/v1/namespaces/default/secrets'],
    'each object is watched once',
  )
})

test('what is missing is named in the words of the kubelet', async (t) => {
  const { client, bind, prepare } = await startVolumes(t)
  await client.create(CONFIG_MAPS, configMap('c', { a: '1' }))
  await client.create(SECRETS, { metadata: { name: 's', namespace: 'default' }, data: { a: '' } })
  const possible = 'possible are configMap, secret, downwardAPI, projected, emptyDir and hostPath'
  const cases: readonly { readonly given: Omit<Volume, 'name'>; readonly want: string }[] = [
    { given: { configMap: { name: 'no' } }, want: 'configmap "no" not found' },
    { given: { configMap: { name: '..' } }, want: 'configmap ".." not found' },
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
      want: `volume type nfs is not supported by this node; ${possible}`,
    },
    {
      given: { persistentVolumeClaim: { claimName: 'p' } },
      want: `volume type persistentVolumeClaim is not supported by this node; ${possible}`,
    },
    {
      given: { projected: { sources: [{ clusterTrustBundle: { path: 'p', name: 'b' } }] } },
      want: 'projected source clusterTrustBundle is not supported here; possible are configMap, secret, downwardAPI and serviceAccountToken',
    },
  ]
  for (const [i, { given, want }] of cases.entries()) {
    const pod = await bind(
      podWith(
        [
          { name: 'v', ...given },
          { name: 'fine', emptyDir: {} },
        ],
        {},
        { name: `p${i}` },
      ),
    )
    await assert.rejects(prepare(pod), {
      name: 'VolumeError',
      message: `MountVolume.SetUp failed for volume "v" : ${want}`,
    })
  }
  const optional = await bind(
    podWith([
      { name: 'a', configMap: { name: 'no', optional: true } },
      { name: 'b', secret: { secretName: 's', optional: true, items: [{ key: 'k', path: 'p' }] } },
    ]),
  )
  assert.equal((await prepare(optional)).size, 2)
})

test('gitRepo, which ran commands, is refused by name even past the validation', async (t) => {
  const { prepare } = await startVolumes(t)
  const pod = podWith([{ name: 'v', gitRepo: { repository: 'file:///', directory: '.' } }], {}, { uid: 'u-1' })
  await assert.rejects(prepare(pod), /volume "v" : volume type gitRepo is not supported by this node/)
})

test('an emptyDir keeps its content across restarts of the agent and goes with the pod', async (t) => {
  const { manager, again, bind, prepare, path, directory } = await startVolumes(t)
  const pod = await bind(
    podWith([
      { name: 'scratch', emptyDir: {} },
      { name: 'ram', emptyDir: { medium: 'Memory' } },
    ]),
  )
  await prepare(pod)
  assert.equal(modeOf(path(pod, 'scratch')), 0o777)
  writeFileSync(path(pod, 'scratch', 'kept'), 'k')
  await manager.close()
  const next = again()
  await prepare(pod, next)
  assert.equal(readFileSync(path(pod, 'scratch', 'kept'), 'utf8'), 'k')
  await next.cleanup(pod.metadata?.uid ?? '')
  assert.deepEqual(readdirSync(join(directory, 'pods', pod.metadata?.uid ?? '')), [])
  await assert.rejects(next.cleanup('../x'), { name: 'VolumeError' })
})

test('new labels show in a downwardAPI volume', async (t) => {
  const { manager, bind, prepare, contextOf, path } = await startVolumes(t)
  const items = [{ path: 'app', fieldRef: { fieldPath: `metadata.labels['app']` } }]
  const pod = await bind(podWith([{ name: 'v', downwardAPI: { items } }], {}, { labels: { app: 'one' } }))
  await prepare(pod)
  await manager.refresh({ ...pod, metadata: { ...pod.metadata, labels: { app: 'two' } } }, contextOf(pod))
  assert.equal(readFileSync(path(pod, 'v', 'app'), 'utf8'), 'two')
})

test('without a control plane volumes stay as they were, and catch up when it is back', async (t) => {
  const volumes = await startVolumes(t)
  const { client, bind, prepare, path, manager, again } = volumes
  await client.create(CONFIG_MAPS, configMap('c', { a: '1' }))
  const pod = await bind(podWith([{ name: 'v', configMap: { name: 'c' } }]))
  await prepare(pod)
  await manager.close()
  volumes.outage = true
  const fresh = await bind(podWith([{ name: 'v', configMap: { name: 'c' } }], {}, { name: 'fresh' }))
  const next = again()
  assert.deepEqual([...(await prepare(pod, next))], [['v', path(pod, 'v')]])
  await assert.rejects(prepare(fresh, next), /volume "v" : the control plane is dead/)
  await client.update(CONFIG_MAPS, configMap('c', { a: '2' }))
  volumes.outage = false
  await until(() => readFileSync(path(pod, 'v', 'a'), 'utf8') === '2', 'the change')
})

test('what cannot change is not watched, and nothing is for a pod that has gone', async (t) => {
  const clock = new VirtualClock()
  const { client, bind, prepare, manager, asked } = await startVolumes(t, { clock })
  await client.create(CONFIG_MAPS, configMap('fixed', { a: '1' }, { immutable: true }))
  await client.create(CONFIG_MAPS, configMap('c', { a: '1' }))
  const pod = await bind(
    podWith([
      { name: 'v', configMap: { name: 'fixed' } },
      { name: 'w', configMap: { name: 'c' } },
    ]),
  )
  await prepare(pod)
  const watches = (): number => asked.filter((text) => text.includes('watch=true')).length
  await until(() => watches() === 1, 'the watch')
  assert.ok(!asked.some((text) => text.includes('watch=true') && text.includes('fixed')))
  await manager.cleanup(pod.metadata?.uid ?? '')
  const before = asked.length
  await client.update(CONFIG_MAPS, configMap('c', { a: '2' }))
  await clock.advance(600_000)
  assert.equal(asked.length, before)
})

test('a node sees the objects that its pods name, one by one, and no others', async (t) => {
  const { client, nodeClient, bind } = await startVolumes(t)
  for (const name of ['mine', 'other']) await client.create(CONFIG_MAPS, configMap(name, {}))
  await bind(podWith([{ name: 'v', configMap: { name: 'mine' } }]))
  const list = (fieldSelector?: string): Promise<unknown> =>
    nodeClient.list(CONFIG_MAPS, { namespace: 'default', ...(fieldSelector === undefined ? {} : { fieldSelector }) })
  await list('metadata.name=mine')
  const bad = [undefined, 'metadata.name=other', 'metadata.name!=other', 'metadata.name=mine,metadata.name=other']
  for (const selector of bad) await assert.rejects(list(selector), { reason: 'Forbidden' }, selector)
})

test('more objects than may be watched are asked for in turn', async (t) => {
  const clock = new VirtualClock()
  const { client, nodeClient, bind } = await startVolumes(t, { clock })
  for (const name of ['a', 'b', 'c']) await client.create(CONFIG_MAPS, configMap(name, {}))
  await bind(podWith(['a', 'b', 'c'].map((name) => ({ name, configMap: { name } }))))
  const told: string[] = []
  const followed = new FollowedObjects({
    client: nodeClient,
    clock,
    logger: silentLogger,
    watchesMax: 1,
    onChange: (user, key, version) =>
      void told.push(`${user} ${key.split('/')[2]} ${version === undefined ? 'gone' : 'is'}`),
  })
  t.after(() => followed.close())
  const references = new Map(
    ['a', 'b', 'c'].map((name) => [
      `configmaps/default/${name}`,
      { resource: 'configmaps', namespace: 'default', name } as const,
    ]),
  )
  followed.follow('pod', references)
  await until(() => told.includes('pod a is'), 'the watched one')
  assert.deepEqual(told, ['pod a is'])
  await client.delete(CONFIG_MAPS, { namespace: 'default', name: 'c' })
  await clock.advance(10_000)
  await until(() => told.length === 3, 'the others')
  assert.deepEqual(told.slice(1), ['pod b is', 'pod c gone'])
  followed.follow('pod', new Map())
  await clock.advance(60_000)
  assert.equal(told.length, 3)
})

test('a service account token is bound to its pod, renewed in time, and kept while no new one is to be had', async (t) => {
  const clock = new VirtualClock()
  const volumes = await startVolumes(t, { clock })
  const { bind, prepare, path } = volumes
  const sources = [
    { serviceAccountToken: { path: 'token', expirationSeconds: 1_000 } },
    { serviceAccountToken: { path: 'vault', audience: 'vault' } },
  ]
  const pod = await bind(podWith([{ name: 'v', projected: { sources } }]))
  await prepare(pod)
  const token = (name: string): string => readFileSync(path(pod, 'v', name), 'utf8')
  const claims = (name: string): { aud: string[]; exp: number; iat: number; 'kubernetes.io': { pod: object } } =>
    JSON.parse(Buffer.from(token(name).split('.')[1]!, 'base64url').toString())
  assert.deepEqual(claims('vault').aud, ['vault'])
  assert.equal(claims('token').exp - claims('token').iat, 1_000)
  assert.deepEqual(claims('token')['kubernetes.io'].pod, { name: 'web', uid: pod.metadata?.uid })
  const [first, vault] = [token('token'), token('vault')]
  await clock.advance(700_000)
  assert.equal(token('token'), first)
  volumes.outage = true
  await clock.advance(100_000)
  assert.equal(token('token'), first, 'it lasts for 200 seconds more')
  volumes.outage = false
  await eventually(async () => {
    await clock.advance(1_000)
    return token('token') === first ? undefined : true
  })
  assert.equal(token('vault'), vault, 'the other one has time')
})

test('tokens are renewed after four fifths of their life or after a day', () => {
  const hour = 3_600_000
  assert.equal(renewalTime(0, hour, 0), 0.8 * hour)
  assert.equal(renewalTime(0, hour, 0.5), 0.8 * hour - 5_000)
  assert.equal(renewalTime(0, 1_000 * hour, 0), 24 * hour)
  assert.equal(renewalTime(500, 1_500, 1), 500)
})

test('a node gets tokens only for its own pods, and bound to them', async (t) => {
  const { client, nodeClient, bind } = await startVolumes(t)
  await client.create(SERVICE_ACCOUNTS, { metadata: { name: 'admin', namespace: 'default' } })
  const mine = await bind(podWith([]))
  const other = await client.create(PODS, podWith([], { nodeName: 'n2' }, { name: 'other' }))
  const reference = (pod: typeof mine): object => ({
    kind: 'Pod',
    apiVersion: 'v1',
    name: pod.metadata?.name,
    uid: pod.metadata?.uid,
  })
  const ask = (account: string, boundObjectRef?: object): Promise<unknown> =>
    nodeClient.createSubresource(SERVICE_ACCOUNTS, { namespace: 'default', name: account }, 'token', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [], boundObjectRef },
    })
  await ask('default', reference(mine))
  const bad: readonly (readonly [string, object | undefined, RegExp])[] = [
    ['default', undefined, /requested token not bound to a pod/],
    ['default', { kind: 'Pod', apiVersion: 'v1', name: 'web' }, /without a uid/],
    ['default', { ...reference(mine), uid: 'another' }, /only for service accounts of pods bound to it/],
    ['default', reference(other), /only for service accounts of pods bound to it/],
    ['admin', reference(mine), /only for service accounts of pods bound to it/],
  ]
  for (const [account, bound, message] of bad)
    await assert.rejects(ask(account, bound), { reason: 'Forbidden', message })
})

test('a token for an account that is not there yet', async (t) => {
  const { client, bind, prepare, path } = await startVolumes(t)
  const volume = { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }
  const pod = await bind(podWith([volume], { serviceAccountName: 'late' }))
  const message = 'MountVolume.SetUp failed for volume "v" : failed to fetch token: serviceaccounts "late" not found'
  await assert.rejects(prepare(pod), { name: 'VolumeError', message })
  await client.create(SERVICE_ACCOUNTS, { metadata: { name: 'late', namespace: 'default' } })
  await prepare(pod)
  assert.match(readFileSync(path(pod, 'v', 'token'), 'utf8'), /^[\w-]+\.[\w-]+\.[\w-]+$/)
})

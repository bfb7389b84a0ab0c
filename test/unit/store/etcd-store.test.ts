import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { type EtcdStoreOptions, openEtcdStore } from '../../../src/controlplane/store/etcd-store.ts'
import { type Store, StoreError, type StoreErrorCode } from '../../../src/controlplane/store/store.ts'
import { ETCD_MISSING, type EtcdCluster, startEtcd } from '../../harness/etcd-server.ts'
import { storeContract } from './contract.ts'
import { storeDirectory } from './store-directory.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

let etcd: EtcdCluster
let count = 0

function open(options: Partial<EtcdStoreOptions> = {}): Promise<Store> {
  return openEtcdStore({
    endpoints: etcd.endpoints,
    place: { here: '', there: `/t${String(++count).padStart(5, '0')}` },
    clock: systemClock,
    logger: silentLogger,
    onFailure: (error) => assert.fail(error),
    ...options,
  })
}

function storeError(code: StoreErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof StoreError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, words)
    assert(!error.message.includes('\n'), 'one sentence')
    return true
  }
}

function put(store: Store, key: string, value: Uint8Array) {
  return store.commit({ expect: [], puts: [{ key, value }], deletes: [] })
}

describe('etcd store', { skip: ETCD_MISSING }, () => {
  before(async () => {
    etcd = await startEtcd()
  })
  after(() => etcd?.close())

  storeContract('etcd store', () => open(), 12)

  it('stands where the place says, and sees nothing else', async () => {
    const place = { here: '/registry', there: '/somewhere/else' }
    const store = await open({ place })
    const neighbour = await open({ place: { here: '/registry', there: '/somewhere' } })
    await put(store, '/registry/pods/a/b', bytes('x'))
    await put(neighbour, '/registry/pods/a/c', bytes('y'))
    const listed = spawnSync(
      'etcdctl',
      ['--endpoints', etcd.endpoints[0]!, 'get', '--prefix', '/some', '--keys-only'],
      {
        env: { ...process.env, ETCDCTL_API: '3' },
        encoding: 'utf8',
      },
    )
    if (listed.status === 0)
      assert.deepEqual(listed.stdout.split(/\s+/).filter(Boolean), ['/somewhere/else/pods/a/b', '/somewhere/pods/a/c'])
    assert.deepEqual(
      (await store.list('/registry/')).items.map(({ key }) => key),
      ['/registry/pods/a/b'],
    )
    await assert.rejects(store.get('/elsewhere'), { name: 'AssertionError' })
    await Promise.all([store.close(), neighbour.close()])
  })

  it("gives a watcher the writer's own bytes, and another process equal ones", async () => {
    const place = { here: '', there: '/own' }
    const [store, other] = await Promise.all([open({ place }), open({ place })])
    const value = bytes('mine')
    const { revision } = await put(store, '/k', value)
    const first = async (of: Store): Promise<Uint8Array> => {
      for await (const [event] of of.watch('/', revision, new AbortController().signal))
        if (event?.type === 'put') return event.value
      throw new Error('no event')
    }
    assert.equal(await first(store), value)
    const foreign = await first(other)
    assert.notEqual(foreign, value)
    assert.deepEqual([...foreign], [...value])
    await Promise.all([store.close(), other.close()])
  })

  it('refuses a transaction that is too large for etcd, and goes on', async () => {
    const store = await open()
    await assert.rejects(put(store, '/big', new Uint8Array(2_200_000)), storeError('too-large', /takes no transaction/))
    await put(store, '/small', bytes('x'))
    await store.close()
  })

  it('reads lists of several pages as of one revision', async () => {
    const store = await open()
    const puts = (from: number) =>
      Array.from({ length: 1_000 }, (_, i) => ({ key: `/k/${String(from + i).padStart(5, '0')}`, value: bytes('x') }))
    for (let from = 0; from < 3_000; from += 1_000) await store.commit({ expect: [], puts: puts(from), deletes: [] })
    const [list] = await Promise.all([store.list('/k/'), store.commit({ expect: [], puts: [], deletes: ['/k/02999'] })])
    assert([3_000, 2_999].includes(list.items.length))
    assert.deepEqual(
      list.items,
      (await store.list('/k/', { revision: list.revision })).items,
      'as that revision had it, whichever it was',
    )
    const page = await store.list('/k/', { limit: 1_500 })
    assert.deepEqual([page.items.length, page.more, page.remaining], [1_500, true, 1_499])
    await store.close()
  })

  it('says what it tried when no etcd is there', async () => {
    const nowhere = open({ endpoints: ['http://127.0.0.1:9', 'http://127.0.0.1:10'] })
    await assert.rejects(
      nowhere,
      storeError('unavailable', /127\.0\.0\.1:9, http:\/\/127\.0\.0\.1:10 .*nothing listens there/),
    )
  })

  it('does not wait for ever for one that accepts and says nothing', async () => {
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => sockets.add(socket))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { readonly port: number }
    await assert.rejects(
      open({ endpoints: [`http://127.0.0.1:${port}`] }),
      storeError('unavailable', /no answer in time/),
    )
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  it('refuses an etcd that was emptied since this cluster last saw it', async () => {
    const own = await startEtcd()
    try {
      const knownPath = join(storeDirectory(), 'etcd.json')
      const options = { endpoints: own.endpoints, knownPath, place: { here: '/registry', there: '/registry' } }
      const store = await open(options)
      for (let i = 0; i < 5; i++) await put(store, `/registry/k/${i}`, bytes('x'))
      await store.close()
      assert.match(readFileSync(knownPath, 'utf8'), /"revision":"6"/)
      await own.members[0]!.kill()
      own.members[0]!.wipe()
      own.members[0]!.start()
      await own.members[0]!.ready()
      await assert.rejects(
        open(options),
        storeError('failed', /stands at revision 1, but has been at 6: .*remove .*etcd\.json/),
      )
      rmSync(knownPath)
      await (await open(options)).close()
    } finally {
      await own.close()
    }
  })
})

describe('etcd store with TLS, a user and a password', { skip: ETCD_MISSING ?? opensslMissing() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-etcd-tls-'))
  const file = (name: string): string => join(directory, name)
  let secure: EtcdCluster
  let tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer }

  const openssl = (...words: string[]): void => {
    const { status, stderr } = spawnSync('openssl', words, { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  }
  const etcdctl = (...words: string[]): string => {
    const files = ['--cacert', file('ca.crt'), '--cert', file('client.crt'), '--key', file('client.key')]
    const run = spawnSync('etcdctl', ['--endpoints', secure.endpoints[0]!, ...files, ...words], {
      env: { ...process.env, ETCDCTL_API: '3' },
      encoding: 'utf8',
    })
    assert.equal(run.status, 0, run.stderr)
    return run.stdout
  }

  before(async () => {
    const newKey = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    openssl(...newKey, '-x509', '-days', '2', '-subj', '/CN=ca', '-keyout', file('ca.key'), '-out', file('ca.crt'))
    for (const name of ['server', 'client']) {
      openssl(...newKey, '-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`))
      const extensions = file(`${name}.ext`)
      openssl('version')
      spawnSync('sh', ['-c', `printf 'subjectAltName=IP:127.0.0.1' > "${extensions}"`])
      const ca = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2']
      openssl('x509', '-req', '-in', file(`${name}.csr`), ...ca, '-extfile', extensions, '-out', file(`${name}.crt`))
    }
    const flags = ['--cert-file', file('server.crt'), '--key-file', file('server.key'), '--client-cert-auth']
    secure = await startEtcd({ scheme: 'https', flags: [...flags, '--trusted-ca-file', file('ca.crt')] })
    const [ca, cert, key] = ['ca.crt', 'client.crt', 'client.key'].map((name) => readFileSync(file(name)))
    tls = { ca: ca!, cert: cert!, key: key! }
  })
  after(async () => {
    await secure?.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it('reads and writes with a client certificate, and not without', async () => {
    const store = await open({ endpoints: secure.endpoints, tls })
    await put(store, '/k', bytes('x'))
    await store.close()
    await assert.rejects(open({ endpoints: secure.endpoints, tls: { ca: tls.ca } }), { code: 'unavailable' })
    const other = { ...tls, ca: tls.cert }
    await assert.rejects(open({ endpoints: secure.endpoints, tls: other }), { code: 'unavailable' })
  })

  it('signs in, and again when its token is no longer known', async () => {
    etcdctl('user', 'add', 'root:secret')
    etcdctl('role', 'add', 'root')
    etcdctl('user', 'grant-role', 'root', 'root')
    etcdctl('auth', 'enable')
    const endpoints = secure.endpoints
    await assert.rejects(
      open({ endpoints, tls, user: { name: 'root', password: 'wrong' } }),
      storeError('unavailable', /authentication failed/),
    )
    const store = await open({ endpoints, tls, user: { name: 'root', password: 'secret' } })
    const { revision } = await put(store, '/k', bytes('x'))
    const abort = new AbortController()
    const events: string[] = []
    const watching = (async () => {
      for await (const batch of store.watch('/', revision, abort.signal)) {
        events.push(...batch.map(({ key }) => key))
        if (events.includes('/last')) abort.abort()
      }
    })()
    // A restarted etcd has forgotten every token.
    await secure.members[0]!.kill()
    secure.members[0]!.start()
    for (let tries = 0; ; tries++) {
      try {
        await put(store, '/last', bytes('x'))
        break
      } catch (error) {
        assert(error instanceof StoreError && tries < 20, String(error))
      }
    }
    await watching
    assert.deepEqual(new Set(events), new Set(['/k', '/last']))
    await store.close()
  })
})

function opensslMissing(): string | undefined {
  const missing = ['openssl version', 'etcdctl version'].filter((line) => {
    const [command, ...words] = line.split(' ')
    return spawnSync(command!, words, { env: { ...process.env, ETCDCTL_API: '3' } }).status !== 0
  })
  return missing.length === 0 ? undefined : 'needs openssl and etcdctl (Debian packages openssl, etcd-client)'
}

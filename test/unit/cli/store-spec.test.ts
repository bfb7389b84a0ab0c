import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { storeFile } from '../../../src/cli/open-store.ts'
import { parseStore, storeText } from '../../../src/cli/store-spec.ts'
import { chooseStore } from '../../../src/cli/up/choose-store.ts'
import { UserError } from '../../../src/cli/user-error.ts'

const refusal =
  (words: RegExp) =>
  (error: unknown): boolean =>
    error instanceof UserError && words.test(`${error.message} ${error.hint}`)

describe('--store', () => {
  it('names an etcd by its addresses, with the usual port and prefix', () => {
    assert.deepEqual(parseStore('etcd=http://127.0.0.1,http://10.0.0.2:4001/'), {
      kind: 'etcd',
      endpoints: ['http://127.0.0.1:2379', 'http://10.0.0.2:4001'],
      prefix: '/registry',
    })
    const spec = parseStore('etcd=https://me:a%40b@db:1', { storePrefix: '/some/where', etcdCa: '/ca.pem' })
    assert.deepEqual(spec, {
      kind: 'etcd',
      endpoints: ['https://db:1'],
      prefix: '/some/where',
      user: { name: 'me', password: 'a@b' },
      ca: '/ca.pem',
    })
    assert.equal(storeText(spec), 'etcd=https://db:1', 'no password in what is printed and recorded')
  })

  for (const [text, flags, words] of [
    ['redis', {}, /no store "redis".*etcd=URL/],
    ['etcd=', {}, /no address of an etcd/],
    ['etcd=127.0.0.1:2379', {}, /no address of an etcd.*etcd=http:/],
    ['etcd=http://a,https://b', {}, /all addresses/],
    ['etcd=http://u:secret@a/path', {}, /"http:\/\/…@a\/path" is no address/],
    ['etcd=http://a', { etcdCa: 'x' }, /write https/],
    ['etcd=https://a', { etcdCert: 'x' }, /both --etcd-cert and --etcd-key/],
    ['etcd=http://a', { storePrefix: 'registry' }, /begins with \//],
    ['sqlite', { etcdCa: 'x' }, /--etcd-ca is about an etcd/],
  ] as const)
    it(`refuses ${text} ${JSON.stringify(flags)}`, () => {
      assert.throws(() => parseStore(text, flags), refusal(words))
    })
})

describe('the store of a cluster that is started again', () => {
  const directory = (withSqlite: boolean): string => {
    const dataDir = mkdtempSync(join(tmpdir(), 'wherry-choose-'))
    process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }))
    if (withSqlite) {
      mkdirSync(dirname(storeFile(dataDir)), { recursive: true })
      writeFileSync(storeFile(dataDir), '')
    }
    return dataDir
  }
  const ETCD = { store: 'etcd=https://db:2379', storeFlags: { storePrefix: '/x', etcdCa: '/ca.pem' } }

  it('is the one it has, with all that was said of it', () => {
    assert.equal(chooseStore({}, undefined, directory(false)).spec.kind, 'sqlite')
    const { spec, record } = chooseStore({}, ETCD, directory(false))
    assert.deepEqual(spec, { kind: 'etcd', endpoints: ['https://db:2379'], prefix: '/x', ca: '/ca.pem' })
    assert.deepEqual(record, ETCD)
    assert.equal(chooseStore({}, { store: 'memory' }, directory(false)).spec.kind, 'sqlite')
    assert.equal(chooseStore({ store: 'memory' }, { store: 'sqlite' }, directory(true)).spec.kind, 'memory')
    assert.equal(chooseStore({ store: 'etcd=http://new' }, ETCD, directory(false)).record.store, 'etcd=http://new:2379')
  })

  it('is never one in which its objects are not', () => {
    const move = /would find none of them.*wherry store copy --from/
    assert.throws(() => chooseStore({ store: 'sqlite' }, ETCD, directory(false)), refusal(move))
    assert.throws(() => chooseStore({ store: 'etcd=http://a' }, { store: 'sqlite' }, directory(true)), refusal(move))
    assert.throws(() => chooseStore({ store: 'etcd=http://a' }, {}, directory(true)), refusal(move))
    assert.equal(chooseStore({ store: 'etcd=http://a' }, undefined, directory(false)).spec.kind, 'etcd')
  })
})

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { parseAgentToken } from '../../../src/api/machine-join.ts'
import { agentToken, certificateHash, readServerToken } from '../../../src/controlplane/membership/cluster-token.ts'
import { MembershipError } from '../../../src/controlplane/membership/membership-error.ts'
import { openSecrets, sealSecrets } from '../../../src/controlplane/membership/sealed-secrets.ts'
import { type ShareOptions, shareSecrets } from '../../../src/controlplane/membership/share-secrets.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import type { Store } from '../../../src/controlplane/store/store.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

function dataDir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-secrets-'))
  directories.push(directory)
  return directory
}

const PROPOSAL = { clusterName: 'shop', octet: 70, runtime: 'process' } as const

function share(store: Store, directory: string, more: Partial<ShareOptions> = {}): ReturnType<typeof shareSecrets> {
  return shareSecrets({ store, dataDir: directory, proposal: PROPOSAL, joins: false, nowMs: Date.now(), ...more })
}

const secretFiles = (directory: string): readonly string[] =>
  ['ca.crt', 'ca.key', 'service-accounts.key', 'encryption.key'].map((file) =>
    readFileSync(join(directory, 'pki', file), 'utf8'),
  )

function refusal(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MembershipError && error.code === code
}

const SECRETS = { ...PROPOSAL, caCertificate: 'a', caKey: 'b', serviceAccountKey: 'c', encryptionKey: 'd' }

test('what is sealed opens with its token alone, and only whole', async () => {
  const sealed = await sealSecrets(SECRETS, 'a token of some length')
  assert.deepEqual(await openSecrets(sealed, 'a token of some length'), SECRETS)
  assert.equal(await openSecrets(sealed, 'another token of length'), undefined)
  const other = await sealSecrets(SECRETS, 'a token of some length')
  assert.notDeepEqual(sealed, other)
  const parts = JSON.parse(sealed.toString())
  const data = Buffer.from(parts.data, 'base64')
  data[3]! ^= 1
  const changed = Buffer.from(JSON.stringify({ ...parts, data: data.toString('base64') }))
  assert.equal(await openSecrets(changed, 'a token of some length'), undefined)
  const later = Buffer.from(JSON.stringify({ ...parts, version: 2 }))
  await assert.rejects(openSecrets(later, 'a token of some length'), /update wherry/)
})

test('the first server makes a cluster; a further one has the same secrets, readable by their owner only', async () => {
  const store = createMemoryStore()
  const [a, b] = [dataDir(), dataDir()]
  const made = await share(store, a)
  assert.equal(made.token.length, 43)
  const joined = await share(store, b, {
    token: made.token,
    joins: true,
    proposal: { clusterName: 'other', octet: 71, runtime: 'docker' },
  })
  assert.deepEqual(joined, { ...PROPOSAL, token: made.token })
  assert.deepEqual(secretFiles(b), secretFiles(a))
  for (const file of ['server-token', 'pki/ca.key', 'pki/encryption.key'])
    assert.equal(statSync(join(b, file)).mode & 0o777, 0o600, file)
  // Each of them starts again without being given anything.
  assert.deepEqual(await share(store, b), { ...PROPOSAL, token: made.token })
  const { items } = await store.list('/registry/')
  for (const { value } of items) assert(!Buffer.from(value).toString().includes('PRIVATE KEY'))
})

test('of two first servers that begin at once one makes the cluster, and the other joins it', async () => {
  const store = createMemoryStore()
  const directories = [dataDir(), dataDir(), dataDir()]
  const token = 'the same token for both'
  await Promise.all(directories.map((directory) => share(store, directory, { token })))
  const [first, ...others] = directories.map(secretFiles)
  for (const other of others) assert.deepEqual(other, first)
})

test('a server that ends before it has written its files finds them again', async () => {
  const store = createMemoryStore()
  const directory = dataDir()
  await share(store, directory)
  const before = secretFiles(directory)
  rmSync(join(directory, 'pki'), { recursive: true })
  await share(store, directory)
  assert.deepEqual(secretFiles(directory), before)
})

test('a cluster is not joined without its token, and none is made where one must be', async () => {
  const store = createMemoryStore()
  await assert.rejects(share(store, dataDir(), { joins: true }), refusal('nothingToJoin'))
  assert.equal((await store.list('/registry/')).items.length, 0)
  await share(store, dataDir())
  const late = dataDir()
  await assert.rejects(share(store, late), refusal('tokenMissing'))
  await assert.rejects(share(store, late, { token: 'not the right one' }), refusal('tokenWrong'))
  assert.equal(readServerToken(late), undefined)
})

test('the agent token names the CA and does not give the server token away', async () => {
  const store = createMemoryStore()
  const directory = dataDir()
  const { token } = await share(store, directory)
  const ca = readFileSync(join(directory, 'pki', 'ca.crt'), 'utf8')
  const text = agentToken(token, ca)
  assert.equal(parseAgentToken(`${text}\n`)?.caHash, certificateHash(ca))
  assert(!text.includes(token))
  assert.equal(text, agentToken(token, ca))
  for (const wrong of ['', token, text.slice(0, 60), `${text} x`]) assert.equal(parseAgentToken(wrong), undefined)
})

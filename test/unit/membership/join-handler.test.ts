import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { before, test } from 'node:test'
import { CA_PATH, JOIN_PATH, type JoinAnswer, type JoinRequest } from '../../../src/api/machine-join.ts'
import { nodeAddresses } from '../../../src/base/address-layout.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { newPrivateKey, provenKey } from '../../../src/cli/agent/machine-keys.ts'
import {
  createAuthority,
  type KeyAndCertificate,
} from '../../../src/controlplane/apiserver/edge/certificate-authority.ts'
import type { ServerRequest } from '../../../src/controlplane/apiserver/server-request.ts'
import { ANONYMOUS, type User } from '../../../src/controlplane/apiserver/user.ts'
import { agentSecret, certificateHash } from '../../../src/controlplane/membership/cluster-token.ts'
import {
  createJoinHandler,
  createVerifyAgentToken,
  JOINING_USER,
} from '../../../src/controlplane/membership/join-handler.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'

const TOKEN = 'a server token of some length'
const SECRET = 's'.repeat(43)

let ca: KeyAndCertificate
before(async () => {
  ca = await createAuthority('test-ca', Date.now())
})

function cluster() {
  const handler = createJoinHandler({
    next: { handle: async () => ({ status: 418, headers: {}, body: undefined }) },
    store: createMemoryStore(),
    ca,
    cluster: { clusterName: 'shop', octet: 70, runtime: 'process' },
    nodeAt: (number) => nodeAddresses(70, 'shop', number),
    serverToken: TOKEN,
    servers: () => ['https://10.0.0.1:6443'],
    nodeExists: () => true,
    clock: systemClock,
    logger: silentLogger,
  })
  return async (body: unknown, more: { user?: User; method?: string; path?: string } = {}) => {
    const { user = JOINING_USER, method = 'POST', path = JOIN_PATH } = more
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    const request = { method, path, user, query: new URLSearchParams(), headers: {}, readBody: async () => bytes }
    const { status, body: text } = await handler.handle(request as unknown as ServerRequest)
    return { status, text: Buffer.from((text as Uint8Array | undefined) ?? '').toString() }
  }
}

function joining(machine: string, count = 1, secret = SECRET): JoinRequest {
  const key = () => provenKey(newPrivateKey(), certificateHash(ca.cert), machine)
  return { machine, secret, nodeKeys: Array.from({ length: count }, key), proxyKey: key() }
}

test('a machine gets certificates for its own keys and for the names that the server gave it', async () => {
  const ask = cluster()
  const request = joining('rack-7', 2)
  const { status, text } = await ask(request)
  assert.equal(status, 200, text)
  const answer: JoinAnswer = JSON.parse(text)
  assert.deepEqual(
    answer.nodes.map(({ number }) => number),
    [1, 2],
  )
  const certificate = new X509Certificate(answer.nodes[1]!.certificate)
  assert.match(certificate.subject, /O=system:nodes\nCN=system:node:shop-2/)
  assert(certificate.verify(new X509Certificate(ca.cert).publicKey))
  assert.equal(certificate.checkIP('127.70.0.2'), '127.70.0.2')
  assert.equal(certificate.checkIP('127.70.0.1'), undefined)
  const spki = certificate.publicKey.export({ type: 'spki', format: 'pem' })
  assert.equal(spki, request.nodeKeys[1]!.publicKey)
  // Asked again with new keys: the same numbers; another machine gets others.
  assert.deepEqual(
    JSON.parse((await ask(joining('rack-7', 2))).text).nodes.map((n: { number: number }) => n.number),
    [1, 2],
  )
  assert.equal(JSON.parse((await ask(joining('rack-8'))).text).nodes[0].number, 3)
})

test('whoever has not the token, or not the machine’s secret, gets nothing', async () => {
  const ask = cluster()
  assert.equal((await ask(joining('rack-7'), { user: ANONYMOUS })).status, 401)
  assert.equal(
    (await ask(joining('rack-7'), { user: { name: 'system:node:shop-1', groups: ['system:nodes'] } })).status,
    401,
  )
  await ask(joining('rack-7'))
  const { status, text } = await ask(joining('rack-7', 1, 't'.repeat(43)))
  assert.deepEqual([status, /another machine joined as/.test(text)], [409, true])
  const verify = createVerifyAgentToken(TOKEN)
  assert.equal(verify(agentSecret(TOKEN)), JOINING_USER)
  for (const wrong of ['', TOKEN, agentSecret(`${TOKEN}.`)]) assert.equal(verify(wrong), undefined)
})

test('what is no request is refused before anything is given out', async () => {
  const ask = cluster()
  const good = joining('rack-7')
  const stranger = provenKey(newPrivateKey(), certificateHash(ca.cert), 'rack-8')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const rsaKey = provenKey(String(rsa.export({ type: 'pkcs8', format: 'pem' })), certificateHash(ca.cert), 'rack-7')
  const bodies: readonly unknown[] = [
    '{',
    'null',
    '[]',
    {},
    { ...good, machine: '/up' },
    { ...good, machine: 'Rack 7' },
    { ...good, secret: 'short' },
    { ...good, nodeKeys: [] },
    { ...good, nodeKeys: Array.from({ length: 101 }, () => good.nodeKeys[0]) },
    { ...good, nodeKeys: [{ publicKey: 'no key', proof: 'none' }] },
    { ...good, nodeKeys: [stranger] },
    { ...good, proxyKey: { ...good.proxyKey, proof: good.nodeKeys[0]!.proof } },
    { ...good, proxyKey: null },
    { ...good, nodeKeys: [rsaKey] },
  ]
  for (const body of bodies) assert.equal((await ask(body)).status, 400, JSON.stringify(body)?.slice(0, 200))
  assert.equal((await ask('', { method: 'GET' })).status, 405)
})

test('anybody may read the CA; everything else is the API server’s', async () => {
  const ask = cluster()
  assert.deepEqual(await ask('', { user: ANONYMOUS, method: 'GET', path: CA_PATH }), { status: 200, text: ca.cert })
  assert.equal((await ask('', { path: '/api/v1/pods' })).status, 418)
})

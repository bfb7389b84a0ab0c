import assert from 'node:assert/strict'
import { request } from 'node:https'
import { after, before, test } from 'node:test'
import { serveNodeApi } from '../../../src/agent/kubelet/node-api.ts'
import { type PodLogs, PodLogsError } from '../../../src/agent/kubelet/pod-logs.ts'
import { type PodStreams, PodStreamsError } from '../../../src/agent/kubelet/pod-streams.ts'
import type { NodeDocuments } from '../../../src/agent/usage/node-documents.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { AccessQuestion, Refusal } from '../../../src/client/delegated-access.ts'
import {
  type CertificateAuthority,
  createAuthority,
  type KeyAndCertificate,
  openAuthority,
} from '../../../src/controlplane/apiserver/edge/certificate-authority.ts'
import { eventually } from '../../harness/eventually.ts'

const ADDRESS = '127.0.0.1'
let authority: CertificateAuthority
let apiServer: KeyAndCertificate
let somebody: KeyAndCertificate
let stranger: KeyAndCertificate
let api: { readonly port: number; close(): Promise<void> }
let followers = 0
/** What the API server was asked, by the node API. */
const questions: AccessQuestion[] = []
let refusal: Refusal | undefined = 403

const logs: PodLogs = {
  async open(_namespace, pod, container, options, signal) {
    if (pod === 'none') throw new PodLogsError('notFound', 'pod "none" not found')
    if (container === 'new') throw new PodLogsError('notAvailable', 'container "new" is waiting to start')
    return (async function* () {
      yield Buffer.from('one\n')
      if (!options.follow) return
      followers += 1
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      followers -= 1
    })()
  },
}

const streams: PodStreams = {
  async container() {
    throw new PodStreamsError('notFound', 'pod "none" not found')
  },
  async address() {
    throw new PodStreamsError('notFound', 'pod "none" not found')
  },
}

const hasDocument = (path: string): boolean => ['/metrics/resource', '/stats/summary'].includes(path)
const documents: NodeDocuments = {
  has: hasDocument,
  read: (path) =>
    hasDocument(path) ? Promise.resolve({ text: `document of ${path}`, contentType: 'text/plain' }) : undefined,
}

async function certificate(from: CertificateAuthority, commonName: string): Promise<KeyAndCertificate> {
  const request = { commonName, organizations: [], dnsNames: ['node'], ipAddresses: [ADDRESS] }
  return from.issue({ ...request, usages: ['client', 'server'] }, Date.now())
}

before(async () => {
  authority = await openAuthority(await createAuthority('test-ca', Date.now()))
  const other = await openAuthority(await createAuthority('other-ca', Date.now()))
  apiServer = await certificate(authority, 'kube-apiserver-kubelet-client')
  somebody = await certificate(authority, 'system:node:other')
  stranger = await certificate(other, 'kube-apiserver-kubelet-client')
  const tls = { ca: authority.ca.cert, ...(await certificate(authority, 'system:node:node')) }
  api = await serveNodeApi(logs, streams, {
    address: ADDRESS,
    tls,
    documents,
    access: {
      nodeName: 'node',
      delegated: {
        async check(_caller, question) {
          questions.push(question)
          return refusal
        },
      },
    },
    clock: systemClock,
    logger: silentLogger,
  })
})
after(() => api.close())

function ask(
  path: string,
  client: KeyAndCertificate | undefined = apiServer,
  method = 'GET',
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: ADDRESS, port: api.port, path, method, ca: authority.ca.cert, agent: false, ...client },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
        response.on('end', () => resolve({ status: response.statusCode!, text }))
      },
    )
    call.on('error', reject)
    call.end()
  })
}

test('the API server reads a log', async () => {
  assert.deepEqual(await ask('/containerLogs/default/web/app'), { status: 200, text: 'one\n' })
})

test('what is not there is 404, what is not there yet 400, both in words', async () => {
  assert.deepEqual(await ask('/containerLogs/default/none/app'), { status: 404, text: 'pod "none" not found\n' })
  assert.deepEqual(await ask('/containerLogs/default/web/new'), {
    status: 400,
    text: 'container "new" is waiting to start\n',
  })
})

test('usage is served at its own paths, spelled in one way only', async () => {
  assert.deepEqual(await ask('/metrics/resource'), { status: 200, text: 'document of /metrics/resource' })
  assert.deepEqual(await ask('/stats/summary?only_cpu_and_memory=true'), {
    status: 200,
    text: 'document of /stats/summary',
  })
  for (const path of ['/metrics/', '//metrics', '/Metrics', '/metrics%2Fresource', '/metrics/../metrics', '/stats'])
    assert.equal((await ask(path)).status, 404, path)
})

test('nobody else gets anything', async () => {
  assert.equal((await ask('/containerLogs/default/web/app', { key: '', cert: '' })).status, 401)
  assert.equal((await ask('/containerLogs/default/web/app', stranger)).status, 401)
  assert.equal((await ask('/containerLogs/default/web/app', somebody)).status, 403)
  assert.equal((await ask('/healthz', somebody)).status, 403)
  assert.equal((await ask('/metrics/resource', somebody)).status, 403)
  assert.equal((await ask('/containerLogs/default/web/app?', { key: '', cert: '' })).status, 401)
})

test('others read usage and series as far as the API server lets them, and nothing else', async () => {
  questions.length = 0
  refusal = undefined
  assert.equal((await ask('/metrics/resource', somebody)).text, 'document of /metrics/resource')
  assert.equal((await ask('/stats/summary', { key: '', cert: '' })).status, 200)
  const asked = (subresource: string): object => ({
    resourceAttributes: { version: 'v1', resource: 'nodes', subresource, name: 'node', verb: 'get' },
  })
  assert.deepEqual(questions, [asked('metrics'), asked('stats')])
  for (const path of ['/containerLogs/default/web/app', '/healthz', '/metrics/', '/metrics/other'])
    assert.equal((await ask(path, somebody)).status, 403, path)
  assert.equal((await ask('/metrics/resource', somebody, 'POST')).status, 403)
  assert.equal(questions.length, 2)
  refusal = 503
  assert.equal((await ask('/metrics/resource', somebody)).status, 503)
  refusal = 403
})

test('nothing but GET, and no path but its own', async () => {
  assert.equal((await ask('/containerLogs/default/web/app', apiServer, 'POST')).status, 405)
  for (const path of ['/logs/', '/logs/../../etc/passwd', '/pods', '/exec/default/web/app'])
    assert.equal((await ask(path)).status, 404, path)
})

test('a reader who goes away ends the reading', async () => {
  const call = request({
    host: ADDRESS,
    port: api.port,
    path: '/containerLogs/default/web/app?follow=true',
    ca: authority.ca.cert,
    agent: false,
    ...apiServer,
  })
  call.on('error', () => {})
  call.end()
  await eventually(() => (followers === 1 ? true : undefined), 5_000, 'following')
  call.destroy()
  await eventually(() => (followers === 0 ? true : undefined), 5_000, 'the end of following')
})

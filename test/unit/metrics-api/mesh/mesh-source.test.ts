import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { PROXY_SERVICE } from '../../../../src/api/proxy-endpoints.ts'
import {
  type CertificateAuthority,
  createAuthority,
  openAuthority,
} from '../../../../src/controlplane/apiserver/edge/certificate-authority.ts'
import { createMeshSource } from '../../../../src/controlplane/metrics-api/mesh/create-mesh-source.ts'
import type { MeshSource } from '../../../../src/controlplane/metrics-api/mesh/mesh-source.ts'

const ADDRESS = '127.0.0.1'

interface Proxy {
  readonly port: number
  /** Who asked for what. */
  readonly asked: string[]
}

async function leaf(authority: CertificateAuthority, commonName: string, dnsName: string) {
  const request = { commonName, organizations: [], dnsNames: [dnsName], ipAddresses: [] }
  return authority.issue({ ...request, usages: ['client', 'server'] }, Date.now())
}

async function startProxy(
  t: TestContext,
  authority: CertificateAuthority,
  dnsName: string,
  status = 200,
): Promise<Proxy> {
  const asked: string[] = []
  const tls = { ca: authority.ca.cert, ...(await leaf(authority, 'proxy', dnsName)) }
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const socket = request.socket as TLSSocket
    asked.push(`${socket.authorized ? socket.getPeerCertificate().subject.CN : 'nobody'} ${request.url}`)
    response.writeHead(status, { location: 'https://127.0.0.1:1/' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

async function sourceOf(authority: CertificateAuthority, clusterCidr = '127.0.0.0/8'): Promise<MeshSource> {
  return createMeshSource({ clusterCidr, ca: authority.ca.cert, ...(await leaf(authority, 'api-server', 'api')) })
}

const authorityOf = async (name: string): Promise<CertificateAuthority> =>
  openAuthority(await createAuthority(name, Date.now()))
const signal = (): AbortSignal => AbortSignal.timeout(10_000)

test('a proxy is asked with the certificate of the API server', async (t) => {
  const authority = await authorityOf('cluster')
  const { port, asked } = await startProxy(t, authority, PROXY_SERVICE.name)
  const { status, body } = await (await sourceOf(authority))({ name: 'p', address: ADDRESS, port }, signal())
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  assert.deepEqual([status, Buffer.concat(chunks).toString()], [200, '{}'])
  assert.deepEqual(asked, ['api-server /mesh'])
})

test('an address outside the cluster’s range, and one that is a name, are not called', async (t) => {
  const authority = await authorityOf('cluster')
  const { port, asked } = await startProxy(t, authority, PROXY_SERVICE.name)
  const source = await sourceOf(authority, '127.64.0.0/16')
  for (const address of [ADDRESS, 'localhost', '::1', ''])
    await assert.rejects(source({ name: 'p', address, port }, signal()), /no address that may be called/)
  assert.deepEqual(asked, [])
})

test('whoever cannot show that it is a proxy of this cluster is told nothing', async (t) => {
  const authority = await authorityOf('cluster')
  const source = await sourceOf(authority)
  const stranger = await startProxy(t, await authorityOf('other'), PROXY_SERVICE.name)
  const node = await startProxy(t, authority, 'node-1')
  for (const { port } of [stranger, node]) await assert.rejects(source({ name: 'p', address: ADDRESS, port }, signal()))
  assert.deepEqual([...stranger.asked, ...node.asked], [])
})

test('a redirect is an answer like any other', async (t) => {
  const authority = await authorityOf('cluster')
  const { port, asked } = await startProxy(t, authority, PROXY_SERVICE.name, 302)
  const { status, body } = await (await sourceOf(authority))({ name: 'p', address: ADDRESS, port }, signal())
  for await (const _ of body);
  assert.equal(status, 302)
  assert.equal(asked.length, 1)
})

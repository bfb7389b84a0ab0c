import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { StatusError } from '../../../src/api/status-error.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { type Caller, createDelegatedAccess, type DelegatedAccess } from '../../../src/client/delegated-access.ts'

const METRICS = { nonResourceAttributes: { path: '/metrics', verb: 'get' } }
const USERS: Readonly<Record<string, object>> = {
  good: { username: 'prometheus', groups: ['a'], extra: { from: ['pod'] } },
  other: { username: 'eve' },
}

let clock: VirtualClock
let asked: { readonly kind: string; readonly spec: unknown }[]
/** What the API server does instead of answering. */
let fault: (() => Promise<never>) | undefined
let access: DelegatedAccess

beforeEach(() => {
  clock = new VirtualClock(0)
  asked = []
  fault = undefined
  const client = createClient({
    async request({ body }) {
      const review = body as {
        readonly kind: string
        readonly spec: { readonly token?: string; readonly user?: string }
      }
      asked.push(review)
      await fault?.()
      const { token = '', user } = review.spec
      const found = USERS[token]
      const status =
        review.kind === 'TokenReview'
          ? { authenticated: found !== undefined, user: found ?? {} }
          : { allowed: user === 'prometheus' }
      return { status: 201, body: { ...review, status } }
    },
    watch: () => Promise.reject(new Error('nobody watches')),
    close: async () => {},
  })
  access = createDelegatedAccess({ client, clock, logger: silentLogger, trusted: ['kube-apiserver-kubelet-client'] })
})

function withCertificate(commonName: string, authorized = true): Caller {
  const subject = { CN: commonName, O: 'system:monitoring' }
  return {
    socket: { authorized, getPeerCertificate: () => ({ subject }) } as unknown as TLSSocket,
    authorization: 'Bearer good',
  }
}

function withToken(token: string | undefined): Caller {
  return {
    socket: { authorized: false, getPeerCertificate: () => ({}) } as unknown as TLSSocket,
    authorization: token === undefined ? undefined : `Bearer ${token}`,
  }
}

test('a certificate of the cluster says who calls, and the API server what they may', async () => {
  assert.equal(await access.check(withCertificate('prometheus'), METRICS), undefined)
  assert.deepEqual(asked, [
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: 'prometheus', groups: ['system:monitoring', 'system:authenticated'], ...METRICS },
    },
  ])
  assert.equal(await access.check(withCertificate('somebody'), METRICS), 403)
})

test('a certificate of another authority is nobody’s, whatever it says and whatever token comes with it', async () => {
  assert.equal(await access.check(withCertificate('prometheus', false), METRICS), 401)
  assert.equal(await access.check(withCertificate('kube-apiserver-kubelet-client', false), METRICS), 401)
  assert.deepEqual(asked, [])
})

test('the API server itself is not asked about, but no token makes anybody it', async () => {
  assert.equal(await access.check(withCertificate('kube-apiserver-kubelet-client'), METRICS), undefined)
  assert.deepEqual(asked, [])
})

test('a token is asked about, then what its user may, with all that is known of them', async () => {
  assert.equal(await access.check(withToken('good'), METRICS), undefined)
  assert.deepEqual(
    asked.map(({ spec }) => spec),
    [{ token: 'good' }, { user: 'prometheus', groups: ['a'], extra: { from: ['pod'] }, ...METRICS }],
  )
  assert.equal(await access.check(withToken('other'), METRICS), 403)
  assert.equal(await access.check(withToken('bad'), METRICS), 401)
  assert.equal(await access.check(withToken(undefined), METRICS), 401)
  assert.equal(await access.check(withToken('x'.repeat(20_000)), METRICS), 401)
})

test('an answer counts for a while, a no for a shorter one, and for its own question only', async () => {
  await access.check(withToken('good'), METRICS)
  await access.check(withToken('bad'), METRICS)
  assert.equal(asked.length, 3)
  await clock.advance(9_000)
  await access.check(withToken('good'), METRICS)
  await access.check(withToken('bad'), METRICS)
  assert.equal(asked.length, 3)
  await clock.advance(2_000)
  await access.check(withToken('good'), METRICS)
  await access.check(withToken('bad'), METRICS)
  assert.equal(asked.length, 4)
  await access.check(withToken('good'), { nonResourceAttributes: { path: '/status', verb: 'get' } })
  assert.equal(asked.length, 5)
  await clock.advance(60_000)
  await access.check(withToken('good'), METRICS)
  assert.equal(asked.length, 7)
})

test('while the API server is away, who was let in before still is, and nobody else', async () => {
  await access.check(withToken('good'), METRICS)
  fault = () => Promise.reject(new Error('connection refused'))
  await clock.advance(5 * 60_000)
  assert.equal(await access.check(withToken('good'), METRICS), undefined)
  assert.equal(await access.check(withToken('other'), METRICS), 503)
  assert.equal(await access.check(withCertificate('new'), METRICS), 503)
  await clock.advance(15 * 60_000)
  assert.equal(await access.check(withToken('good'), METRICS), 503)
})

test('an API server that answers, but refuses the question, is not away', async () => {
  await access.check(withToken('good'), METRICS)
  fault = () => Promise.reject(new StatusError('Forbidden', 'may not ask'))
  await clock.advance(61_000)
  assert.equal(await access.check(withToken('good'), METRICS), 503)
})

test('one question asked by many at once is asked once, and a flood of different ones stays here', async () => {
  let answer = (): void => {}
  const held = new Promise<void>((resolve) => {
    answer = resolve
  })
  fault = () => held as Promise<never>
  const same = Promise.all(Array.from({ length: 50 }, () => access.check(withToken('good'), METRICS)))
  const flood = Promise.all(Array.from({ length: 50 }, (_, i) => access.check(withToken(`guess-${i}`), METRICS)))
  await Promise.resolve()
  assert.equal(asked.length, 16)
  answer()
  assert.deepEqual(new Set(await same), new Set([undefined]))
  const answers = await flood
  assert.equal(answers.filter((one) => one === 401).length, 15)
  assert.equal(answers.filter((one) => one === 429).length, 35)
})

test('what is remembered is bounded', async () => {
  for (let i = 0; i < 1_100; i++) await access.check(withToken(`guess-${i}`), METRICS)
  asked.length = 0
  await access.check(withToken('guess-1099'), METRICS)
  assert.equal(asked.length, 0)
  await access.check(withToken('guess-0'), METRICS)
  assert.equal(asked.length, 1)
})

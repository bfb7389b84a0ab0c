import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  decideRetry,
  type FailedTry,
  type GiveUp,
  isIdempotent,
  type RetryPolicy,
  tryTimeoutMs,
} from '../../../../src/proxy/resilience/retry-rule.ts'

const FAILED: FailedTry = {
  source: 'upstream',
  retry: 'ifIdempotent',
  method: 'GET',
  replayable: true,
  responseBegun: false,
  connectionReused: false,
  tries: 1,
  nowMs: 1_000,
  deadlineMs: 11_000,
  covered: true,
}

const half = (): number => 0.5

const granted: readonly {
  readonly name: string
  readonly given?: Partial<FailedTry>
  readonly policy?: RetryPolicy
  readonly afterMs: number
  readonly timeoutMs: number
}[] = [
  { name: 'an idempotent request that may have been acted on, after a pause', afterMs: 12.5, timeoutMs: 9_987.5 },
  { name: 'PUT and DELETE as well', given: { method: 'PUT' }, afterMs: 12.5, timeoutMs: 9_987.5 },
  {
    name: 'any method when there was no connection, at once',
    given: { method: 'POST', retry: 'safe' },
    afterMs: 0,
    timeoutMs: 10_000,
  },
  {
    name: 'at once when a kept connection had just been closed',
    given: { retry: 'ifReused', connectionReused: true },
    afterMs: 0,
    timeoutMs: 10_000,
  },
  {
    name: 'with longer pauses each time',
    given: { retry: 'safe', tries: 2 },
    afterMs: 25,
    timeoutMs: 9_975,
  },
  {
    name: 'within a pause that does not grow for ever',
    given: { tries: 9 },
    policy: { triesMax: 10 },
    afterMs: 125,
    timeoutMs: 9_875,
  },
  {
    name: 'with the time for one try',
    given: { retry: 'safe' },
    policy: { perTryMs: 300 },
    afterMs: 0,
    timeoutMs: 300,
  },
  {
    name: 'with what is left of the time for all',
    given: { retry: 'safe', nowMs: 10_900 },
    policy: { perTryMs: 300 },
    afterMs: 0,
    timeoutMs: 100,
  },
  {
    name: 'without end when no time is set',
    given: { retry: 'safe', deadlineMs: Number.POSITIVE_INFINITY },
    afterMs: 0,
    timeoutMs: Number.POSITIVE_INFINITY,
  },
]

const refused: readonly { readonly name: string; readonly given: Partial<FailedTry>; readonly why: GiveUp }[] = [
  { name: "the client's own faults", given: { source: 'downstream' }, why: 'notUpstream' },
  { name: "the proxy's own faults", given: { source: 'internal' }, why: 'notUpstream' },
  { name: 'what is never to be retried', given: { retry: 'never' }, why: 'notRetryable' },
  { name: 'a break of a fresh connection', given: { retry: 'ifReused' }, why: 'notRetryable' },
  { name: 'POST that may have been acted on', given: { method: 'POST' }, why: 'notIdempotent' },
  {
    name: 'POST on a connection that broke, even if it was kept',
    given: { method: 'POST', retry: 'ifReused', connectionReused: true },
    why: 'notIdempotent',
  },
  { name: 'PATCH', given: { method: 'PATCH' }, why: 'notIdempotent' },
  { name: 'a method in small letters, which is another', given: { method: 'get' }, why: 'notIdempotent' },
  { name: 'after the response has begun', given: { responseBegun: true }, why: 'responseBegun' },
  { name: 'when the body is gone', given: { replayable: false, retry: 'safe' }, why: 'bodyGone' },
  { name: 'after three tries', given: { tries: 3 }, why: 'triesUsed' },
  { name: 'when time is up', given: { nowMs: 11_000, retry: 'safe' }, why: 'deadline' },
  { name: 'when it would be up after the pause', given: { nowMs: 10_990 }, why: 'deadline' },
  { name: 'without budget', given: { covered: false }, why: 'budget' },
]

describe('retry rule', () => {
  for (const { name, given, policy = {}, afterMs, timeoutMs } of granted) {
    it(`retries ${name}`, () => {
      assert.deepEqual(decideRetry({ ...FAILED, ...given }, policy, half), { kind: 'retry', afterMs, timeoutMs })
    })
  }

  for (const { name, given, why } of refused) {
    it(`does not retry ${name}`, () => {
      assert.deepEqual(decideRetry({ ...FAILED, ...given }, {}, half), { kind: 'giveUp', why })
    })
  }

  it('knows the idempotent methods', () => {
    const methods = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH', 'CONNECT', '__proto__']
    assert.deepEqual(methods.filter(isIdempotent), methods.slice(0, 6))
  })

  it('gives a first try the smaller of its own and the overall time', () => {
    assert.equal(tryTimeoutMs({}, 0, 500), 500)
    assert.equal(tryTimeoutMs({ perTryMs: 200 }, 0, 500), 200)
    assert.equal(tryTimeoutMs({ perTryMs: 200 }, 400, 500), 100)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestCounter } from '../../../src/client/request-counter.ts'

test('requests are told by method, server and answer, and those without one as an error', () => {
  const counter = new RequestCounter()
  counter.record('GET', 'https://127.0.0.1:6443', 200)
  counter.record('GET', 'https://127.0.0.1:6443', 200)
  counter.record('PATCH', 'https://127.0.0.1:6443', undefined)
  const samples = Array.from(counter.families()[0]!.samples(), ({ labels, value }) => ({ ...labels, value }))
  assert.deepEqual(samples, [
    { code: '200', method: 'GET', host: '127.0.0.1:6443', value: 2 },
    { code: '<error>', method: 'PATCH', host: '127.0.0.1:6443', value: 1 },
  ])
})

test('there are only so many', () => {
  const counter = new RequestCounter()
  for (let i = 0; i < 1_000; i++) counter.record('GET', `https://127.0.0.1:${i + 1}`, 200)
  assert.equal(Array.from(counter.families()[0]!.samples()).length, 200)
})

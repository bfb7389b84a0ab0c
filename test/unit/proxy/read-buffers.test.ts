import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LARGE_BYTES, ReadBuffer, SMALL_BYTES } from '../../../src/proxy/l4/read-buffers.ts'

test('a full read makes room for larger ones, and many small ones give it back', () => {
  const buffer = new ReadBuffer()
  assert.equal(buffer.current.length, SMALL_BYTES)
  buffer.filled(SMALL_BYTES - 1)
  assert.equal(buffer.next().length, SMALL_BYTES)
  buffer.filled(SMALL_BYTES)
  assert.equal(buffer.next().length, LARGE_BYTES)
  for (let i = 0; i < 15; i++) buffer.filled(10)
  assert.equal(buffer.next().length, LARGE_BYTES)
  buffer.filled(LARGE_BYTES)
  for (let i = 0; i < 16; i++) {
    assert.equal(buffer.next().length, LARGE_BYTES)
    buffer.filled(10)
  }
  assert.equal(buffer.next().length, SMALL_BYTES)
})

test('what was read last stands there until the memory goes', () => {
  const buffer = new ReadBuffer()
  assert.equal(buffer.last.length, 0)
  buffer.current.write('hello')
  buffer.filled(5)
  buffer.next()
  assert.equal(String(buffer.last), 'hello')
  buffer.filled(SMALL_BYTES)
  assert.equal(buffer.last.length, SMALL_BYTES)
  buffer.next()
  assert.equal(buffer.last.length, 0)
})

test('memory that is in use is never given to another', () => {
  const inUse = new Set<ArrayBufferLike>()
  const buffers: ReadBuffer[] = []
  for (let i = 0; i < 300; i++) {
    const buffer = new ReadBuffer()
    assert.ok(!inUse.has(buffer.current.buffer))
    inUse.add(buffer.current.buffer)
    if (i % 2 === 0) {
      inUse.delete(buffer.current.buffer)
      buffer.filled(SMALL_BYTES)
      assert.ok(!inUse.has(buffer.next().buffer))
      inUse.add(buffer.current.buffer)
    }
    buffers.push(buffer)
    if (i % 3 === 0) {
      const done = buffers.shift()!
      inUse.delete(done.current.buffer)
      done.release()
    }
  }
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Turns } from '../../../src/controlplane/autoscaler/turns.ts'

describe('turns of autoscalers', () => {
  test('come every 15 seconds, with glances between them where they are worth it', () => {
    const turns = new Turns()
    assert.equal(turns.due('a', 0), 'turn')
    turns.taken('a', 0, true)
    turns.taken('b', 0, false)
    assert.deepEqual([turns.due('a', 2_000), turns.due('b', 2_000)], ['glance', 'nothing'])
    assert.deepEqual([turns.untilNext('a', 0), turns.untilNext('b', 0)], [2_000, 15_000])
    assert.equal(turns.untilNext('a', 14_000), 1_000)
    assert.deepEqual([turns.due('a', 15_000), turns.due('b', 15_000)], ['turn', 'turn'])
  })

  test('come earlier when something has changed, and never later', () => {
    const turns = new Turns()
    turns.taken('a', 0, true)
    turns.byLatest('a', 5_000)
    assert.equal(turns.due('a', 5_000), 'turn')
    turns.byLatest('a', 9_000)
    assert.equal(turns.due('a', 5_000), 'turn')
  })

  test('of very many are glanced at more seldom, 50 a second in all', () => {
    const turns = new Turns()
    turns.taken('quiet', 0, false)
    for (let i = 0; i < 50; i++) turns.taken(`${i}`, 0, true)
    assert.equal([...turns.glancing()].length, 50, 'as soon as there are new figures')
    for (let i = 50; i < 500; i++) turns.taken(`${i}`, 0, true)
    assert.deepEqual([...turns.glancing()], [])
    assert.equal(turns.untilNext('7', 0), 10_000)
    for (let i = 0; i < 300; i++) turns.forget(`${i}`)
    for (let i = 300; i < 400; i++) turns.taken(`${i}`, 0, false)
    assert.equal(turns.untilNext('450', 0), 2_000)
  })
})

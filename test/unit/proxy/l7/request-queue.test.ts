import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RequestQueue } from '../../../../src/proxy/l7/engine/request-queue.ts'

const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ kind: 'add' } as const) },
  { weight: 3, arbitrary: fc.constant({ kind: 'shift' } as const) },
  fc.record({ kind: fc.constant('take' as const), start: fc.nat(5), max: fc.nat(5) }),
  fc.record({ kind: fc.constant('takeAll' as const), start: fc.nat(3) }),
)

test('whatever is added, answered and taken out: the order stays, and what was taken keeps what it says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new RequestQueue()
      let model: number[] = []
      let next = 1
      const taken: { readonly place: { readonly start: number }; readonly is: number }[] = []
      for (const said of steps) {
        if (said.kind === 'add') {
          queue.add().start = next
          model.push(next++)
        } else if (said.kind === 'shift') {
          if (model.length > 0) assert.equal(queue.shift().start, model.shift())
        } else {
          // From the front some, from further back all: what a connection does.
          const start = said.kind === 'take' ? 0 : said.start
          const places = said.kind === 'take' ? queue.takeFrom(0, said.max) : queue.takeFrom(start)
          const want = said.kind === 'take' ? model.slice(0, said.max) : model.slice(start)
          model = said.kind === 'take' ? model.slice(said.max) : model.slice(0, start)
          assert.deepEqual(
            places.map((place) => place.start),
            want,
          )
          for (const place of places) taken.push({ place, is: place.start })
        }
        assert.equal(queue.count, model.length)
        assert.deepEqual(
          model.map((_, i) => queue.at(i).start),
          model,
        )
        if (model.length > 0) assert.deepEqual([queue.first.start, queue.last.start], [model[0], model.at(-1)])
      }
      for (const { place, is } of taken) assert.equal(place.start, is)
    }),
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { applyJsonPatch } from '../../../src/api/patch/json-patch.ts'
import { applyMergePatch } from '../../../src/api/patch/merge-patch.ts'
import { applyStrategicMergePatch } from '../../../src/api/patch/strategic-merge.ts'
import { StatusError } from '../../../src/api/status-error.ts'

const refused =
  (code: number, message?: RegExp) =>
  (error: unknown): boolean =>
    error instanceof StatusError && error.code === code && (message === undefined || message.test(error.message))

/** Makes sure that the document is left as it was. */
function untouched<T>(document: T, apply: (document: T) => unknown): unknown {
  const before = JSON.stringify(document)
  try {
    return apply(document)
  } finally {
    assert.equal(JSON.stringify(document), before)
  }
}

describe('JSON merge patch (RFC 7386, appendix A)', () => {
  const rows: readonly (readonly [document: unknown, patch: unknown, want: unknown])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [document, patch, want] of rows)
    test(`${JSON.stringify(document)} with ${JSON.stringify(patch)}`, () =>
      assert.deepEqual(
        untouched(document, (d) => applyMergePatch(d, patch)),
        want,
      ))

  test('applied again changes nothing more', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (document, patch) => {
        const once = applyMergePatch(document, patch)
        assert.deepEqual(applyMergePatch(once, patch), once)
      }),
    )
  })
})

describe('JSON patch (RFC 6902, appendix A and errata)', () => {
  type Operations = readonly Record<string, unknown>[]
  const rows: readonly {
    readonly name: string
    readonly document: unknown
    readonly patch: Operations
    readonly want?: unknown
    readonly refused?: number
  }[] = [
    {
      name: 'adding a member',
      document: { foo: 'bar' },
      patch: [{ op: 'add', path: '/baz', value: 'qux' }],
      want: { foo: 'bar', baz: 'qux' },
    },
    {
      name: 'adding an element',
      document: { foo: ['bar', 'baz'] },
      patch: [{ op: 'add', path: '/foo/1', value: 'qux' }],
      want: { foo: ['bar', 'qux', 'baz'] },
    },
    {
      name: 'adding at the end',
      document: { foo: ['bar'] },
      patch: [{ op: 'add', path: '/foo/-', value: ['abc'] }],
      want: { foo: ['bar', ['abc']] },
    },
    {
      name: 'removing a member',
      document: { baz: 'qux', foo: 'bar' },
      patch: [{ op: 'remove', path: '/baz' }],
      want: { foo: 'bar' },
    },
    {
      name: 'removing an element',
      document: { foo: ['bar', 'qux', 'baz'] },
      patch: [{ op: 'remove', path: '/foo/1' }],
      want: { foo: ['bar', 'baz'] },
    },
    {
      name: 'replacing a value',
      document: { baz: 'qux' },
      patch: [{ op: 'replace', path: '/baz', value: 'boo' }],
      want: { baz: 'boo' },
    },
    {
      name: 'moving a value',
      document: { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      patch: [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      want: { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    },
    {
      name: 'moving an element',
      document: { foo: ['all', 'grass', 'cows', 'eat'] },
      patch: [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      want: { foo: ['all', 'cows', 'eat', 'grass'] },
    },
    {
      name: 'copying',
      document: { a: { b: 1 } },
      patch: [
        { op: 'copy', from: '/a', path: '/c' },
        { op: 'replace', path: '/c/b', value: 2 },
      ],
      want: { a: { b: 1 }, c: { b: 2 } },
    },
    {
      name: 'a test that holds, deeply and in any order',
      document: { a: { x: 1, y: [2] } },
      patch: [{ op: 'test', path: '/a', value: { y: [2], x: 1 } }],
      want: { a: { x: 1, y: [2] } },
    },
    {
      name: 'a test that does not',
      document: { baz: 'qux' },
      patch: [{ op: 'test', path: '/baz', value: 'bar' }],
      refused: 422,
    },
    {
      name: 'a test of a number and a string',
      document: { a: 10 },
      patch: [{ op: 'test', path: '/a', value: '10' }],
      refused: 422,
    },
    {
      name: 'adding to a nested member',
      document: { foo: 'bar' },
      patch: [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      want: { foo: 'bar', child: { grandchild: {} } },
    },
    {
      name: 'members that nobody knows',
      document: { foo: 'bar' },
      patch: [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }],
      want: { foo: 'bar', baz: 'qux' },
    },
    {
      name: 'adding to what is not there',
      document: { foo: 'bar' },
      patch: [{ op: 'add', path: '/baz/bat', value: 'qux' }],
      refused: 422,
    },
    {
      name: '~0 and ~1, in that order',
      document: { '/': 9, '~1': 10 },
      patch: [
        { op: 'test', path: '/~01', value: 10 },
        { op: 'test', path: '/~1', value: 9 },
      ],
      want: { '/': 9, '~1': 10 },
    },
    {
      name: 'the whole document',
      document: { foo: 'bar' },
      patch: [{ op: 'replace', path: '', value: { baz: 'qux' } }],
      want: { baz: 'qux' },
    },
    { name: 'an empty key', document: { '': 1 }, patch: [{ op: 'remove', path: '/' }], want: {} },
    {
      name: 'an index with a leading zero',
      document: { a: [1, 2] },
      patch: [{ op: 'remove', path: '/a/01' }],
      refused: 422,
    },
    {
      name: 'an index that is none',
      document: { a: [1, 2] },
      patch: [{ op: 'add', path: '/a/1e0', value: 3 }],
      refused: 422,
    },
    {
      name: 'an index out of bounds',
      document: { a: [1] },
      patch: [{ op: 'add', path: '/a/2', value: 3 }],
      refused: 422,
    },
    {
      name: '- where there is nothing yet',
      document: { a: [1] },
      patch: [{ op: 'remove', path: '/a/-' }],
      refused: 422,
    },
    { name: 'removing what is not there', document: {}, patch: [{ op: 'remove', path: '/a' }], refused: 422 },
    {
      name: 'replacing what is not there',
      document: {},
      patch: [{ op: 'replace', path: '/a', value: 1 }],
      refused: 422,
    },
    {
      name: 'moving into itself',
      document: { a: { b: 1 } },
      patch: [{ op: 'move', from: '/a', path: '/a/b' }],
      refused: 422,
    },
    { name: 'moving onto itself', document: { a: 1 }, patch: [{ op: 'move', from: '/a', path: '/a' }], want: { a: 1 } },
    { name: 'null as a value', document: {}, patch: [{ op: 'add', path: '/a', value: null }], want: { a: null } },
    { name: 'no value', document: {}, patch: [{ op: 'add', path: '/a' }], refused: 400 },
    { name: 'no path', document: {}, patch: [{ op: 'add', value: 1 }], refused: 400 },
    { name: 'no from', document: { a: 1 }, patch: [{ op: 'move', path: '/b' }], refused: 400 },
    { name: 'a pointer that is none', document: {}, patch: [{ op: 'add', path: 'a', value: 1 }], refused: 400 },
    { name: 'a bad escape', document: {}, patch: [{ op: 'add', path: '/~2', value: 1 }], refused: 400 },
    { name: 'an operation that is none', document: {}, patch: [{ op: 'spam', path: '/a' }], refused: 400 },
  ]
  for (const { name, document, patch, want, refused: code } of rows)
    test(name, () => {
      if (code === undefined)
        assert.deepEqual(
          untouched(document, (d) => applyJsonPatch(d, patch)),
          want,
        )
      else assert.throws(() => untouched(document, (d) => applyJsonPatch(d, patch)), refused(code))
    })

  test('stands anything at all', () => {
    const operation = fc.record({
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
      path: fc.constantFrom('', '/a', '/a/0', '/a/-', '/b/c', '/~0'),
      from: fc.constantFrom('', '/a', '/b'),
      value: fc.jsonValue(),
    })
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(operation, { maxLength: 8 }), (document, patch) => {
        try {
          untouched(document, (d) => applyJsonPatch(d, patch))
        } catch (error) {
          assert.ok(error instanceof StatusError && error.code < 500, String(error))
        }
      }),
    )
  })
})

describe('strategic merge patch', () => {
  const POD = 'io.k8s.api.core.v1.Pod'
  const SERVICE = 'io.k8s.api.core.v1.Service'
  const DEPLOYMENT = 'io.k8s.api.apps.v1.Deployment'
  const containers = [
    {
      name: 'a',
      image: 'a:1',
      env: [
        { name: 'X', value: '1' },
        { name: 'Y', value: '2' },
      ],
    },
    { name: 'b', image: 'b:1' },
  ]
  const pod = {
    metadata: { labels: { x: 'y' }, finalizers: ['f1', 'f2'] },
    spec: { containers, tolerations: [{ key: 'k' }] },
  }
  const rows: readonly {
    readonly name: string
    readonly schema?: string
    readonly document?: unknown
    readonly patch: unknown
    readonly want: unknown
  }[] = [
    {
      name: 'an element is found by its key',
      patch: { spec: { containers: [{ name: 'b', image: 'b:2' }] } },
      want: { ...pod, spec: { ...pod.spec, containers: [containers[0], { name: 'b', image: 'b:2' }] } },
    },
    {
      name: 'a new one comes last',
      patch: { spec: { containers: [{ name: 'c' }] } },
      want: { ...pod, spec: { ...pod.spec, containers: [...containers, { name: 'c' }] } },
    },
    {
      name: 'lists in elements merge, too',
      patch: { spec: { containers: [{ name: 'a', env: [{ name: 'Y', value: '3' }] }] } },
      want: {
        ...pod,
        spec: {
          ...pod.spec,
          containers: [
            {
              ...containers[0],
              env: [
                { name: 'X', value: '1' },
                { name: 'Y', value: '3' },
              ],
            },
            containers[1],
          ],
        },
      },
    },
    {
      name: 'an element is deleted',
      patch: { spec: { containers: [{ name: 'a', $patch: 'delete' }] } },
      want: { ...pod, spec: { ...pod.spec, containers: [containers[1]] } },
    },
    {
      name: 'a list is replaced',
      patch: { spec: { containers: [{ $patch: 'replace' }, { name: 'z' }] } },
      want: { ...pod, spec: { ...pod.spec, containers: [{ name: 'z' }] } },
    },
    {
      name: 'an object is replaced',
      patch: { metadata: { $patch: 'replace', name: 'n' } },
      want: { ...pod, metadata: { name: 'n' } },
    },
    {
      name: 'an object is deleted',
      patch: { spec: { containers: [{ name: 'a', resources: { $patch: 'delete' } }] } },
      want: { ...pod, spec: { ...pod.spec, containers: [{ ...containers[0], resources: {} }, containers[1]] } },
    },
    {
      name: 'a list without a key is replaced',
      patch: { spec: { tolerations: [{ key: 'l' }] } },
      want: { ...pod, spec: { ...pod.spec, tolerations: [{ key: 'l' }] } },
    },
    {
      name: 'null removes',
      patch: { metadata: { labels: { x: null, z: '1' } } },
      want: { ...pod, metadata: { ...pod.metadata, labels: { z: '1' } } },
    },
    {
      name: 'a set is joined',
      patch: { metadata: { finalizers: ['f2', 'f3'] } },
      want: { ...pod, metadata: { ...pod.metadata, finalizers: ['f1', 'f2', 'f3'] } },
    },
    {
      name: 'values are taken from a set',
      patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['f1'] } },
      want: { ...pod, metadata: { ...pod.metadata, finalizers: ['f2'] } },
    },
    {
      name: 'elements come in the order that is asked for',
      patch: { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] } },
      want: { ...pod, spec: { ...pod.spec, containers: [containers[1], containers[0]] } },
    },
    {
      name: 'only what is named is retained',
      schema: DEPLOYMENT,
      document: { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } },
      patch: { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
      want: { spec: { strategy: { type: 'Recreate' } } },
    },
    {
      name: 'ports of services go by number',
      schema: SERVICE,
      document: { spec: { ports: [{ port: 80, name: 'a' }] } },
      patch: { spec: { ports: [{ port: 80, nodePort: 30_000 }, { port: 81 }] } },
      want: { spec: { ports: [{ port: 80, name: 'a', nodePort: 30_000 }, { port: 81 }] } },
    },
    {
      name: 'what the schema does not know is merged as plain JSON',
      patch: { unknown: { a: [1], b: null } },
      want: { ...pod, unknown: { a: [1] } },
    },
  ]
  for (const { name, schema = POD, document = pod, patch, want } of rows)
    test(name, () =>
      assert.deepEqual(
        untouched(document, (d) => applyStrategicMergePatch(schema, d, patch)),
        want,
      ),
    )

  const bad: readonly (readonly [name: string, patch: unknown])[] = [
    ['no object', []],
    ['an unknown directive', { $patch: 'x' }],
    ['an element without its key', { spec: { containers: [{ image: 'x' }] } }],
    ['an element that is no object', { spec: { containers: ['x'] } }],
    ['an order that is no list', { spec: { '$setElementOrder/containers': {} } }],
    ['a deletion that is no list', { metadata: { '$deleteFromPrimitiveList/finalizers': 'f1' } }],
  ]
  for (const [name, patch] of bad)
    test(`${name} is refused`, () =>
      assert.throws(
        () => applyStrategicMergePatch(POD, pod, patch),
        refused(400, /strategic merge patch cannot be used/),
      ))

  test('stands anything at all', () => {
    const key = fc.constantFrom(
      'spec',
      'containers',
      'name',
      '$patch',
      '$retainKeys',
      '$setElementOrder/containers',
      '$deleteFromPrimitiveList/finalizers',
      'metadata',
      'finalizers',
      'x',
      '__proto__',
    )
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<unknown>(null, 'delete', 'replace', 'a', 1, []),
        fc.dictionary(key, tie('tree'), { maxKeys: 3 }),
        fc.array(tie('tree'), { maxLength: 3 }),
      ),
    }))
    fc.assert(
      fc.property(tree, (patch) => {
        try {
          untouched(pod, (d) => applyStrategicMergePatch(POD, d, patch))
        } catch (error) {
          assert.ok(error instanceof StatusError && error.code === 400, String(error))
        }
      }),
    )
  })
})

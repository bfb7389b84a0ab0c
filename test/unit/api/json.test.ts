import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isRawInteger, JsonError, type LongInteger, parseJson } from '../../../src/api/json.ts'
import { decodeObject } from '../../../src/api/schema/decode.ts'
import { StatusError } from '../../../src/api/status-error.ts'

describe('JSON', () => {
  test('is read as JSON.parse reads it', () => {
    // Through text once more, which makes long integers the doubles that JSON.parse makes of them.
    const plain = (value: unknown): string => JSON.stringify(JSON.parse(JSON.stringify(value)))
    fc.assert(fc.property(fc.json(), (text) => assert.equal(plain(parseJson(text).value), plain(JSON.parse(text)))))
  })

  const doubled: readonly (readonly [text: string, paths: readonly string[]])[] = [
    ['{"a":1,"b":2}', []],
    ['{"a":1,"a":2}', ['a']],
    ['{"a":{"b":1,"b":2},"c":[{"d":1},{"d":1,"d":2}]}', ['a.b', 'c[1].d']],
    ['{"a":1,"a":2,"a":3}', ['a']],
    ['{"a":1,"\\u0061":2}', ['a']],
    ['{"a":":\\"","a":"{"}', ['a']],
    ['{"__proto__":1,"__proto__":2}', ['__proto__']],
    ['[{"a":1},{"a":1}]', []],
    ['{"a":{"x":1},"b":{"x":1}}', []],
  ]
  for (const [text, paths] of doubled)
    test(`${text} has ${paths.length === 0 ? 'no key' : paths.join(', ')} twice`, () =>
      assert.deepEqual(parseJson(text).duplicates, paths))

  test('finds a key that stands twice wherever it is put', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z":\\,{}]{1,4}$/), fc.jsonValue({ maxDepth: 2 }), {
          minKeys: 1,
          maxKeys: 5,
        }),
        fc.nat(),
        (object, n) => {
          const keys = Object.keys(object)
          const key = keys[n % keys.length]!
          const text = JSON.stringify(object)
          assert.deepEqual(parseJson(text).duplicates, [])
          assert.deepEqual(parseJson(`${text.slice(0, -1)},${JSON.stringify(key)}:0}`).duplicates, [key])
        },
      ),
    )
  })

  test('refuses what is none, and what is nested beyond reason', () => {
    for (const text of ['', '{', '{"a":}', 'NaN', "{'a':1}", '[1,]', '\u0000', '{"a":1}x'])
      assert.throws(() => parseJson(text), JsonError, text)
    assert.throws(() => parseJson('['.repeat(1_001)), /exceeded max depth of 1000/)
    assert.throws(() => parseJson('{"a":'.repeat(100_000)), /exceeded max depth/)
    assert.doesNotThrow(() => parseJson(`${'['.repeat(1_000)}${']'.repeat(1_000)}`))
  })

  test('keeps integers beyond 2^53 digit by digit, and they count in arithmetic', () => {
    for (const text of ['9007199254740993', '-9223372036854775808', '123456789012345678901234567890']) {
      const { value } = parseJson(`{"n":${text},"list":[${text}]}`) as { value: { n: LongInteger; list: unknown[] } }
      assert.ok(isRawInteger(value.n) && isRawInteger(value.list[0]))
      assert.equal(JSON.stringify(value), `{"n":${text},"list":[${text}]}`)
      assert.equal(Number(value.n) * 2, Number(text) * 2)
      assert.equal((value.n as unknown as number) < 0, text.startsWith('-'))
      assert.equal(`${value.n}`, text)
    }
    assert.equal(parseJson('9007199254740991').value, 9_007_199_254_740_991)
    assert.equal(parseJson('1e20').value, 1e20)
    assert.equal(parseJson('"9007199254740993"').value, '9007199254740993')
  })

  test('makes plain data of names that objects have of their own', () => {
    const { value } = parseJson('{"__proto__":{"x":1},"constructor":1}') as { value: Record<string, unknown> }
    assert.deepEqual(Object.keys(value), ['__proto__', 'constructor'])
    assert.equal(({} as Record<string, unknown>).x, undefined)
  })
})

describe('decoding by schema', () => {
  const POD = 'io.k8s.api.core.v1.Pod'
  const DEPLOYMENT = 'io.k8s.api.apps.v1.Deployment'

  test('copies what fits, in canonical form, and names what is unknown', () => {
    const given = {
      metadata: { name: 'a', creationTimestamp: '2026-01-02T03:04:05.6+01:00', labels: { x: 'y' }, foo: 1 },
      spec: {
        containers: [{ name: 'c', resources: { limits: { cpu: '1000m', memory: '1024Ki' } }, bar: { baz: 1 } }],
        nodeName: null,
      },
      extra: [1],
    }
    const { object, unknownFields } = decodeObject(POD, given)
    assert.deepEqual(object, {
      metadata: { name: 'a', creationTimestamp: '2026-01-02T02:04:05Z', labels: { x: 'y' } },
      spec: { containers: [{ name: 'c', resources: { limits: { cpu: '1', memory: '1Mi' } } }] },
    })
    assert.deepEqual(unknownFields, ['metadata.foo', 'spec.containers[0].bar', 'extra'])
  })

  test('shares nothing with what it was given', () => {
    const given = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', args: ['x'] }] } }
    const { object } = decodeObject(POD, given)
    ;(object as unknown as typeof given).spec.containers[0]!.args.push('y')
    assert.deepEqual(given.spec.containers[0]!.args, ['x'])
  })

  const refusals: readonly (readonly [schema: string, value: unknown, message: string])[] = [
    [
      POD,
      { spec: 1 },
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field Pod.spec of type v1.PodSpec',
    ],
    [
      POD,
      { spec: { containers: {} } },
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      POD,
      { spec: { containers: [{ env: [{ name: 'A', value: 1 }] }] } },
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string',
    ],
    [
      DEPLOYMENT,
      { spec: { replicas: '3' } },
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      DEPLOYMENT,
      { spec: { replicas: 1.5 } },
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      DEPLOYMENT,
      { spec: { replicas: 2 ** 31 } },
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      POD,
      { metadata: { labels: { a: 1 } } },
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      POD,
      [],
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal array into Go value of type v1.Pod',
    ],
  ]
  for (const [schema, value, message] of refusals)
    test(message.slice(message.indexOf(': ') + 2), () =>
      assert.throws(
        () => decodeObject(schema, value),
        (error) => error instanceof StatusError && error.code === 400 && error.message === message,
      ),
    )

  test('stands anything at all: an object or a 400', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(POD, DEPLOYMENT, 'io.k8s.api.core.v1.Secret'), (value, schema) => {
        try {
          decodeObject(schema, value)
        } catch (error) {
          assert.ok(error instanceof StatusError && error.code === 400, String(error))
        }
      }),
    )
  })

  test('is its own fixed point', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.string()),
        fc.array(fc.record({ name: fc.string(), image: fc.string(), args: fc.array(fc.string()) })),
        (labels, containers) => {
          const once = decodeObject(POD, { metadata: { labels }, spec: { containers } }).object
          assert.deepEqual(decodeObject(POD, once).object, once)
        },
      ),
    )
  })
})

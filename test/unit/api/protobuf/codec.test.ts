import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJson } from '../../../../src/api/json.ts'
import { encodeList } from '../../../../src/api/protobuf/encode-list.ts'
import { encodeBareObject, encodeObject, hasProtobuf } from '../../../../src/api/protobuf/encode-object.ts'
import { decodeEnvelope, encodeEnvelope } from '../../../../src/api/protobuf/envelope.ts'
import { lengthPrefix } from '../../../../src/api/protobuf/length-prefix.ts'
import { ProtobufError } from '../../../../src/api/protobuf/protobuf-error.ts'
import { watchFrame } from '../../../../src/api/protobuf/watch-frame.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
const text = (value: string): string =>
  `${Buffer.from([value.length]).toString('hex')} ${Buffer.from(value).toString('hex')}`

/** A length-delimited field. */
function field(number: number, contents: Uint8Array): Buffer {
  return Buffer.concat([lengthPrefix((number << 3) | 2, contents.length), contents])
}

/** The object that a message of this kind stands for. */
function decoded(apiVersion: string, kind: string, message: string): object {
  const { apiVersion: _, kind: __, ...fields } = decodeEnvelope(encodeEnvelope(apiVersion, kind, hex(message)))
  return fields
}

function backAndForth(object: object): unknown {
  return decodeEnvelope(encodeObject(object))
}

test('an object in its envelope, byte by byte', () => {
  const bytes = hex(`6b 38 73 00  0a 0f 0a ${text('v1')} 12 ${text('ConfigMap')}
    12 0e  0a 03 0a ${text('a')}  12 07 0a ${text('k')} 12 02 c3 a9  1a 00 22 00`)
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'é' } }
  assert.deepEqual(decodeEnvelope(bytes), object)
  assert.deepEqual(encodeObject(object), bytes)
})

// Go writes every field that is no pointer; in JSON it leaves some of them out.
const ZEROS = [
  {
    name: 'zero values that JSON leaves out',
    kind: ['v1', 'Pod'],
    message: '0a 07 0a 01 61 12 00 38 00  12 08 1a 00 32 00 58 00 60 00',
    want: { metadata: { name: 'a' }, spec: {} },
  },
  {
    name: 'zero values that JSON shows',
    kind: ['v1', 'Pod'],
    message: '1a 0b 42 09 0a 01 63 20 00 28 00 48 00',
    want: { status: { containerStatuses: [{ name: 'c', ready: false, restartCount: 0, started: false }] } },
  },
  {
    name: 'zero values behind a pointer',
    kind: ['apps/v1', 'Deployment'],
    message: '12 06 08 00 38 00 48 00',
    want: { spec: { replicas: 0, progressDeadlineSeconds: 0 } },
  },
  {
    name: 'an empty string behind a pointer',
    kind: ['v1', 'PersistentVolumeClaim'],
    message: '12 04 2a 00 1a 00',
    want: { spec: { storageClassName: '' } },
  },
  {
    name: 'a time of no time',
    kind: ['v1', 'Pod'],
    message: '0a 04 42 00 4a 00',
    want: { metadata: {} },
  },
] as const
for (const { name, kind, message, want } of ZEROS) {
  test(`decoding: ${name}`, () => {
    const [apiVersion, name] = kind
    assert.deepEqual(decoded(apiVersion, name, message), want)
  })
}

test('a value that comes again wins, messages come together, lists go on', () => {
  const twice = '0a 03 0a 01 61  0a 05 0a 01 62 1a 00  0a 03 1a 01 6e  12 05 0a 01 6b 12 00'
  assert.deepEqual(decoded('v1', 'ConfigMap', twice), { metadata: { name: 'b', namespace: 'n' }, data: { k: '' } })
  assert.deepEqual(decoded('v1', 'Pod', '0a 06 72 01 61 72 01 62'), { metadata: { finalizers: ['a', 'b'] } })
})

test('a value that is taken back by a zero is gone', () => {
  assert.deepEqual(decoded('v1', 'Pod', '0a 05 1a 01 61 1a 00'), { metadata: {} })
})

test('fields of other levels of the API are passed over', () => {
  assert.deepEqual(decoded('v1', 'ConfigMap', 'c2 3e 01 61  0a 08 a2 06 01 78 0a 02 61 62'), {
    metadata: { name: 'ab' },
  })
})

test('an entry of a map may lack its key or its value', () => {
  assert.deepEqual(decoded('v1', 'ConfigMap', '12 00'), { data: { '': '' } })
  assert.deepEqual(decoded('v1', 'ConfigMap', '12 03 12 01 78'), { data: { '': 'x' } })
  assert.deepEqual(decoded('v1', 'Pod', '12 08 82 02 05 0a 03 63 70 75'), { spec: { overhead: { cpu: '0' } } })
})

test('numbers may come packed', () => {
  const packed = decoded('v1', 'Pod', '12 06 72 04 22 02 01 02')
  assert.deepEqual(packed, { spec: { securityContext: { supplementalGroups: [1, 2] } } })
  assert.deepEqual(decoded('v1', 'Pod', '12 06 72 04 20 01 20 02'), packed)
})

test('a key named __proto__ is a key like any other', () => {
  const object = JSON.parse('{"apiVersion":"v1","kind":"ConfigMap","data":{"__proto__":"x","constructor":"y"}}')
  const back = backAndForth(object) as { readonly data: object }
  assert.deepEqual(Object.keys(back.data).toSorted(), ['__proto__', 'constructor'])
  assert.equal(Object.getPrototypeOf(back.data), Object.prototype)
})

const FORMS = [
  {
    name: 'ports by number and by name',
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      spec: {
        ports: [
          { port: 1, targetPort: 'http' },
          { port: 2, targetPort: 0 },
        ],
      },
    },
  },
  {
    name: 'quantities, in a map and alone',
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      spec: {
        overhead: { cpu: '250m', memory: '1Gi' },
        volumes: [{ name: 'v', emptyDir: { sizeLimit: '10M' } }],
      },
    },
  },
  {
    name: 'times to the second and to the microsecond',
    object: {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { creationTimestamp: '2026-02-28T23:59:59Z', deletionTimestamp: '1969-12-31T23:59:59Z' },
      spec: { acquireTime: '2026-03-01T00:00:00.000001Z', renewTime: '1901-01-01T00:00:00.999999Z' },
    },
  },
  {
    name: 'bytes',
    object: { apiVersion: 'v1', kind: 'Secret', data: { a: 'AAH/', empty: '' }, type: 'Opaque' },
  },
  {
    name: 'fields that stand among their parent’s',
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      spec: {
        containers: [
          {
            name: 'c',
            env: [{ name: 'E', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k', optional: false } } }],
            readinessProbe: { exec: { command: ['true'] }, periodSeconds: 3 },
            lifecycle: { preStop: { sleep: { seconds: 1 } } },
          },
        ],
        ephemeralContainers: [{ name: 'e', image: 'i', targetContainerName: 'c' }],
        volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 's' } }] } }],
      },
    },
  },
  {
    name: 'embedded values',
    object: {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: { managedFields: [{ manager: 'm', fieldsV1: { 'f:data': { '.': {} } } }] },
      data: { spec: { big: 0.5, list: [null, 'x'] } },
      revision: 3,
    },
  },
  {
    name: 'lists of strings in maps',
    object: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      status: { user: { username: 'u', extra: { scopes: ['a', 'b'] } } },
    },
  },
  {
    name: 'schemas that are a boolean, a list or a schema',
    object: {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      spec: {
        group: 'example.com',
        names: { plural: 'things', kind: 'Thing' },
        scope: 'Namespaced',
        versions: [
          {
            name: 'v1',
            served: true,
            storage: false,
            schema: {
              openAPIV3Schema: {
                $ref: '#/x',
                default: { a: [1] },
                enum: ['x', 1],
                maximum: 1.5,
                additionalProperties: true,
                additionalItems: false,
                items: { type: 'string', additionalProperties: { type: 'integer', maxLength: 0 } },
                allOf: [{ items: [{ type: 'string' }, { 'x-kubernetes-int-or-string': true }] }],
                dependencies: { a: ['b'], c: { nullable: true } },
                'x-kubernetes-preserve-unknown-fields': false,
              },
            },
          },
        ],
      },
    },
  },
]
for (const { name, object } of FORMS) {
  test(`there and back: ${name}`, () => assert.deepEqual(backAndForth(object), object))
}

test('integers beyond 2^53 there and back', () => {
  const { value } = parseJson(
    '{"apiVersion":"v1","kind":"Pod","metadata":{"generation":9223372036854775807,"deletionGracePeriodSeconds":-9223372036854775808}}',
  )
  assert.equal(
    JSON.stringify(backAndForth(value as object)),
    '{"apiVersion":"v1","kind":"Pod","metadata":{"generation":9223372036854775807,"deletionGracePeriodSeconds":-9223372036854775808}}',
  )
})

test('values that stand for none are not written', () => {
  const bare = { apiVersion: 'v1', kind: 'Pod', spec: { restartPolicy: 'Always' } }
  const same = { ...bare, metadata: undefined, status: null, spec: { restartPolicy: 'Always', hostNetwork: false } }
  assert.deepEqual(encodeBareObject(same as object), encodeBareObject(bare))
})

test('fields come in ascending order, whatever the order of the keys', () => {
  const type = { apiVersion: 'v1', kind: 'ServicePort' }
  const byNumber = { ...type, name: 'a', protocol: 'TCP', port: 1 }
  const otherwise = { ...type, port: 1, protocol: 'TCP', name: 'a' }
  const ascending = encodeBareObject(byNumber)
  assert.deepEqual(encodeBareObject(otherwise), ascending)
  assert.deepEqual(ascending, hex(`0a ${text('a')} 12 ${text('TCP')} 18 01`))
})

test('options and Statuses are kinds in every group of Kubernetes, and in no other', () => {
  const options = { gracePeriodSeconds: 0, preconditions: { uid: 'u' } }
  for (const apiVersion of ['v1', 'apps/v1', 'meta.k8s.io/v1', 'policy/v1'])
    assert.deepEqual(backAndForth({ apiVersion, kind: 'DeleteOptions', ...options }), {
      apiVersion,
      kind: 'DeleteOptions',
      ...options,
    })
  assert.equal(hasProtobuf('example.com/v1', 'Status'), false)
  assert.equal(hasProtobuf('example.com/v1', 'constructor'), false)
  assert.equal(hasProtobuf('__proto__', 'toString'), false)
  assert.equal(hasProtobuf('v1', 'constructor'), false)
})

const NOT_DECODED = [
  { name: 'nothing', bytes: Buffer.alloc(0), why: /does not start/ },
  { name: 'JSON', bytes: Buffer.from('{"kind":"Pod"}'), why: /does not start/ },
  { name: 'only the prefix', bytes: Buffer.from('k8s\0'), why: /Kind/ },
  { name: 'no version', bytes: hex(`6b 38 73 00 0a 05 12 ${text('Pod')}`), why: /apiVersion/ },
  { name: 'a kind of nobody', bytes: encodeEnvelope('v1', 'Nothing', hex('')), why: /no kind "Nothing".*"v1"/ },
  { name: 'a custom kind', bytes: encodeEnvelope('example.com/v1', 'Pod', hex('')), why: /no kind "Pod"/ },
  {
    name: 'compressed contents',
    bytes: hex(`6b 38 73 00 0a 09 0a ${text('v1')} 12 ${text('Pod')} 1a ${text('gzip')}`),
    why: /content encoding "gzip"/,
  },
  { name: 'a wrong wire type', bytes: encodeEnvelope('v1', 'Pod', hex('08 01')), why: /wrong wire type 0 for Pod/ },
  { name: 'a cut message', bytes: encodeEnvelope('v1', 'Pod', hex('0a 05 0a 01 61')), why: /unexpected end/ },
  {
    name: 'an inner length beyond its message',
    bytes: encodeEnvelope('v1', 'Pod', hex('0a 03 0a 05 61 12 01 62 62')),
    why: /unexpected end/,
  },
  {
    name: 'a time in the year 10000',
    bytes: encodeEnvelope('v1', 'Pod', hex('0a 09 42 07 08 80 83 d1 ff af 07')),
    why: /years 1 to 9999/,
  },
  {
    name: 'a time of 2^63 - 1 seconds',
    bytes: encodeEnvelope('v1', 'Pod', hex('0a 0c 42 0a 08 ff ff ff ff ff ff ff ff 7f')),
    why: /years 1 to 9999/,
  },
  {
    name: 'an embedded value that is no JSON',
    bytes: encodeEnvelope('apps/v1', 'ControllerRevision', hex('12 03 0a 01 7b')),
    why: /embedded value is no JSON/,
  },
  {
    name: 'an embedded value nested without end',
    bytes: encodeEnvelope('apps/v1', 'ControllerRevision', field(2, field(1, Buffer.from('['.repeat(5_000))))),
    why: /embedded value is no JSON/,
  },
]
for (const { name, bytes, why } of NOT_DECODED) {
  test(`not decoded: ${name}`, () => {
    assert.throws(
      () => decodeEnvelope(bytes),
      (error) => error instanceof ProtobufError && why.test(error.message),
    )
  })
}

test('schemas nested without end are refused before the stack ends', () => {
  // `not` of `not` of …: as many levels as a body can hold.
  const levels: Uint8Array[] = []
  for (let length = 0; length < 3_000_000; ) {
    const prefix = lengthPrefix((28 << 3) | 2, length)
    // Two bytes of the tag's number.
    levels.push(Buffer.concat([Buffer.from([0xe2, 0x01]), prefix.subarray(1)]))
    length += levels.at(-1)!.length
  }
  const given = encodeEnvelope('apiextensions.k8s.io/v1', 'JSONSchemaProps', Buffer.concat(levels.toReversed()))
  assert.throws(() => decodeEnvelope(given), /nested more than 200 deep/)
})

const NOT_ENCODED = [
  { name: 'a custom kind', object: { apiVersion: 'example.com/v1', kind: 'Thing' }, why: /no protobuf form/ },
  {
    name: 'a number for a string',
    object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 5 } },
    why: /Pod\.metadata: ObjectMeta\.name: a number is no string/,
  },
  {
    name: 'a list for an object',
    object: { apiVersion: 'v1', kind: 'Pod', spec: [] },
    why: /Pod\.spec: a object is no object/,
  },
  {
    name: 'an object for a list',
    object: { apiVersion: 'v1', kind: 'Pod', spec: { containers: {} } },
    why: /PodSpec\.containers/,
  },
  {
    name: 'a fraction for an integer',
    object: { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 1.5 } },
    why: /DeploymentSpec\.replicas: 1\.5 is no 32-bit integer/,
  },
  {
    name: 'what is no time',
    object: { apiVersion: 'v1', kind: 'Pod', metadata: { creationTimestamp: 'yesterday at eleven' } },
    why: /ObjectMeta\.creationTimestamp: parsing time/,
  },
]
for (const { name, object, why } of NOT_ENCODED) {
  test(`not encoded: ${name}`, () => {
    assert.throws(
      () => encodeObject(object),
      (error) => error instanceof ProtobufError && why.test(error.message),
    )
    // The writer that all share is fit for the next.
    assert.deepEqual(backAndForth({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a' },
    })
  })
}

test('a time that is not in canonical form is brought into it', () => {
  const given = { apiVersion: 'v1', kind: 'Pod', metadata: { creationTimestamp: '2026-01-01T01:30:00+01:30' } }
  assert.deepEqual(backAndForth(given), { ...given, metadata: { creationTimestamp: '2026-01-01T00:00:00Z' } })
})

test('a list is put together from items that were encoded before', () => {
  const items = ['a', 'b'].map((name) => ({ metadata: { name } }))
  const encoded = items.map((item) => encodeBareObject({ apiVersion: 'v1', kind: 'Pod', ...item }))
  const metadata = { resourceVersion: '7', remainingItemCount: 3, continue: 'token' }
  assert.deepEqual(decodeEnvelope(encodeList('v1', 'PodList', metadata, encoded)), {
    apiVersion: 'v1',
    kind: 'PodList',
    metadata,
    items,
  })
})

test('an event of a watch, byte by byte', () => {
  assert.deepEqual(
    watchFrame('ADDED', hex('6b 38 73 00')),
    hex('00 00 00 0f  0a 05 41 44 44 45 44  12 06 0a 04 6b 38 73 00'),
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CONFIG_MAP } from '../../../../src/api/definitions/config-map.ts'
import { SECRET } from '../../../../src/api/definitions/secret/definition.ts'
import { SERVICE_ACCOUNT } from '../../../../src/api/definitions/service-account.ts'
import { create, created, row, update } from './strategies.ts'

const KEY =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

describe('ConfigMap', () => {
  for (const { name, given, want } of [
    { name: 'a good one', given: { data: { 'a.b': 'x' } }, want: [] },
    {
      name: 'a key that is a path',
      given: { data: { 'a/b': 'x' } },
      want: [`data[a/b]: Invalid value: "a/b": ${KEY}`],
    },
    {
      name: 'a key that goes up',
      given: { data: { '..a': 'x' } },
      want: [`data[..a]: Invalid value: "..a": must not start with '..'`],
    },
    {
      name: 'one key in both',
      given: { data: { a: 'x' }, binaryData: { a: 'eA==' } },
      want: ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
    },
    {
      name: 'more than 1 MiB',
      given: { data: { a: 'x'.repeat(1024 * 1024), b: 'x' } },
      want: [': Too long: may not be more than 1048576 bytes'],
    },
    { name: 'just 1 MiB', given: { data: { a: 'x'.repeat(1024 * 1024) } }, want: [] },
  ])
    test(name, () => assert.deepEqual(create(CONFIG_MAP, given).errors, want))

  test("names of an object's own machinery are keys like any other", () => {
    const data = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>
    const map = created(CONFIG_MAP, { metadata: { name: 'a' }, data })
    assert.equal(row(CONFIG_MAP, map).Data, 3)
    assert.equal(Object.hasOwn(map.data!, '__proto__'), true)
  })

  test('an immutable one may not change, nor become mutable', () => {
    const map = created(CONFIG_MAP, { metadata: { name: 'a' }, data: { a: 'x' }, immutable: true })
    const { errors } = update(CONFIG_MAP, map, (draft) => {
      draft.immutable = false
      draft.data!.a = 'y'
    })
    assert.deepEqual(errors, [
      'immutable: Forbidden: field is immutable when `immutable` is set',
      'data: Forbidden: field is immutable when `immutable` is set',
    ])
    assert.deepEqual(
      update(CONFIG_MAP, map, (draft) => {
        draft.metadata!.labels = { a: 'b' }
      }).errors,
      [],
    )
  })
})

describe('Secret', () => {
  test('stringData goes into data, over what stands there, and is gone', () => {
    const secret = created(SECRET, { data: { a: base64('old'), b: base64('b') }, stringData: { a: 'new', c: 'ü' } })
    assert.deepEqual(secret, { type: 'Opaque', data: { a: base64('new'), b: base64('b'), c: base64('ü') } })
  })

  for (const { name, given, want } of [
    {
      name: 'tls without a key',
      given: { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } },
      want: ['data[tls.key]: Required value'],
    },
    {
      name: 'basic-auth of nothing',
      given: { type: 'kubernetes.io/basic-auth' },
      want: ['data[username]: Required value', 'data[password]: Required value'],
    },
    { name: 'basic-auth of a name', given: { type: 'kubernetes.io/basic-auth', data: { username: 'eA==' } }, want: [] },
    {
      name: 'docker configuration that is no JSON says nothing of its contents',
      given: { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': base64('geheim') } },
      want: ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be valid JSON'],
    },
    {
      name: "a service account's token without the account",
      given: { type: 'kubernetes.io/service-account-token' },
      want: ['metadata.annotations[kubernetes.io/service-account.name]: Required value'],
    },
    { name: 'a type of somebody else', given: { type: 'helm.sh/release.v1', data: { release: 'eA==' } }, want: [] },
    {
      name: 'more than 1 MiB',
      given: { data: { a: Buffer.alloc(1024 * 1024 + 1).toString('base64') } },
      want: ['data: Too long: may not be more than 1048576 bytes'],
    },
  ])
    test(name, () => assert.deepEqual(create(SECRET, given).errors, want))

  test('the type may not change', () => {
    const { errors } = update(SECRET, created(SECRET, {}), (draft) => {
      draft.type = 'other'
    })
    assert.deepEqual(errors, ['type: Invalid value: "other": field is immutable'])
  })

  test('an immutable one may not change', () => {
    const { errors } = update(SECRET, created(SECRET, { data: { a: 'eA==' }, immutable: true }), (draft) => {
      draft.stringData = { a: 'y' }
    })
    assert.deepEqual(errors, ['data: Forbidden: field is immutable when `immutable` is set'])
  })
})

test('of the Secrets of a ServiceAccount only the names are kept', () => {
  const account = created(SERVICE_ACCOUNT, { secrets: [{ name: 'a', namespace: 'other', uid: '1' }] })
  assert.deepEqual(account.secrets, [{ name: 'a' }])
})

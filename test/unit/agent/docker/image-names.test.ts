import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseImage } from '../../../../src/agent/runtime/docker/image-reference.ts'
import { pullCredentials } from '../../../../src/agent/runtime/docker/pull-credentials.ts'
import type { PullSecret } from '../../../../src/agent/runtime/runtime.ts'

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`

describe('an image’s name', () => {
  const rows: readonly { readonly given: string; readonly want: readonly (string | undefined)[] | undefined }[] = [
    { given: 'nginx', want: ['docker.io', 'library/nginx', 'latest', undefined] },
    { given: 'nginx:1.25', want: ['docker.io', 'library/nginx', '1.25', undefined] },
    { given: 'someone/thing', want: ['docker.io', 'someone/thing', 'latest', undefined] },
    { given: 'index.docker.io/library/nginx', want: ['docker.io', 'library/nginx', 'latest', undefined] },
    { given: 'localhost/thing', want: ['localhost', 'thing', 'latest', undefined] },
    { given: 'localhost:5000/a/b:c', want: ['localhost:5000', 'a/b', 'c', undefined] },
    { given: '[::1]:5000/a', want: ['[::1]:5000', 'a', 'latest', undefined] },
    { given: 'registry.example/a__b/c.d-e', want: ['registry.example', 'a__b/c.d-e', 'latest', undefined] },
    { given: `registry.example/a@${DIGEST}`, want: ['registry.example', 'a', undefined, DIGEST] },
    { given: `a:b@${DIGEST}`, want: ['docker.io', 'library/a', 'b', DIGEST] },
    { given: '', want: undefined },
    { given: 'Nginx', want: undefined },
    { given: 'a//b', want: undefined },
    { given: 'a:', want: undefined },
    { given: 'a:b:c', want: undefined },
    { given: `a:${'b'.repeat(129)}`, want: undefined },
    { given: 'a@sha256:short', want: undefined },
    { given: `a@${DIGEST}@${DIGEST}`, want: undefined },
    { given: 'a b', want: undefined },
    { given: '-a.example/b', want: undefined },
    { given: '../../etc', want: undefined },
    { given: 'a?x=y', want: undefined },
  ]
  for (const { given, want } of rows)
    test(`"${given.slice(0, 40)}" ${want === undefined ? 'is none' : `is ${want.join(' ')}`}`, () => {
      const found = parseImage(given)
      assert.deepEqual(found && [found.registry, found.repository, found.tag, found.digest], want)
    })
})

describe('the credentials for an image', () => {
  const secret = (auths: object): PullSecret => ({
    type: 'kubernetes.io/dockerconfigjson',
    content: JSON.stringify({ auths }),
  })
  const users = (image: string, ...secrets: readonly PullSecret[]): readonly (string | undefined)[] =>
    pullCredentials(parseImage(image)!, secrets).map(({ username }) => username)
  const user = (username: string): object => ({ username, password: 'p' })

  test('are those of its registry', () => {
    const all = secret({ 'a.example': user('a'), 'b.example:5000': user('b') })
    assert.deepEqual(users('a.example/x', all), ['a'])
    assert.deepEqual(users('b.example:5000/x', all), ['b'])
    assert.deepEqual(users('b.example/x', all), [])
    assert.deepEqual(users('c.example/x', all), [])
  })

  test('Docker Hub has several names', () => {
    for (const key of [
      'https://index.docker.io/v1/',
      'index.docker.io',
      'docker.io',
      'https://registry-1.docker.io/v2/',
    ])
      assert.deepEqual(users('nginx', secret({ [key]: user('hub') })), ['hub'], key)
  })

  test('the longest path comes first, and a path ends at a slash', () => {
    const all = secret({ 'a.example': user('all'), 'a.example/team': user('team'), 'a.example/te': user('other') })
    assert.deepEqual(users('a.example/team/x', all), ['team', 'all'])
    assert.deepEqual(users('a.example/teams/x', all), ['all'])
  })

  test('a star stands for a label and no more', () => {
    const all = secret({ '*.example': user('star') })
    assert.deepEqual(users('a.example/x', all), ['star'])
    assert.deepEqual(users('a.b.example/x', all), [])
    assert.deepEqual(users('aXexample:1/x', all), [])
  })

  test('`auth` wins, tokens are passed on, and what cannot be read is nothing', () => {
    const auth = Buffer.from('who:pa:ss').toString('base64')
    assert.deepEqual(pullCredentials(parseImage('a.example/x')!, [secret({ 'a.example': { ...user('no'), auth } })]), [
      { username: 'who', password: 'pa:ss', serveraddress: 'a.example' },
    ])
    assert.deepEqual(pullCredentials(parseImage('a.example/x')!, [secret({ 'a.example': { identitytoken: 't' } })]), [
      { identitytoken: 't', serveraddress: 'a.example' },
    ])
    for (const content of [
      '',
      '{',
      '[]',
      'null',
      '{"auths":null}',
      '{"auths":{"a.example":null}}',
      '{"auths":{"a.example":{"auth":7}}}',
    ])
      assert.deepEqual(users('a.example/x', { type: 'kubernetes.io/dockerconfigjson', content }), [], content)
  })

  test('the older type of secret has no outer object', () => {
    const content = JSON.stringify({ 'a.example': user('old') })
    assert.deepEqual(users('a.example/x', { type: 'kubernetes.io/dockercfg', content }), ['old'])
  })
})

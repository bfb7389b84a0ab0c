import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DEFAULT_HEAD_LIMITS } from '../../../../src/proxy/l7/http1/head-limits.ts'
import { RequestHead } from '../../../../src/proxy/l7/http1/request-head.ts'
import { isAmbiguousPath } from '../../../../src/proxy/l7/routes/ambiguous-path.ts'
import { compileRoutes, RouteRulesError, readsPaths } from '../../../../src/proxy/l7/routes/compile-routes.ts'
import type { RouteRule } from '../../../../src/proxy/l7/routes/route-rule.ts'
import type { RouteTable } from '../../../../src/proxy/l7/routes/route-table.ts'

const backends = [{ upstream: 'u' }]
const rule = (name: string, more: Partial<RouteRule> = {}): RouteRule => ({ name, backends, ...more })

function table(rules: readonly RouteRule[], random = () => 0): RouteTable<string> {
  return compileRoutes(rules, ({ name }, { upstream }) => (upstream === 'u' ? name : `${name}/${upstream}`), random)
}

function match(of: RouteTable<string>, target: string, host = 'a', method = 'GET', headers = ''): string | undefined {
  const head = new RequestHead(DEFAULT_HEAD_LIMITS)
  const b = Buffer.from(`${method} ${target} HTTP/1.1\r\n${headers}Host: ${host}\r\n\r\n`, 'latin1')
  assert.equal(head.scan(b, 0, b.length), b.length, `refusal ${head.refusal}`)
  return of.match(head, b)
}

test('prefixes match whole segments, exact paths nothing but themselves, queries count for neither', () => {
  const of = table([
    rule('root', { path: { exact: '/' } }),
    rule('a', { path: { prefix: '/a' } }),
    rule('a/b', { path: { prefix: '/a/b/' } }),
    rule('exact', { path: { exact: '/a/b/c' } }),
  ])
  for (const [target, want] of [
    ['/', 'root'],
    ['/?x', 'root'],
    ['http://a', 'root'],
    ['/a', 'a'],
    ['/a/', 'a'],
    ['/a?q=/a/b', 'a'],
    ['/a/x', 'a'],
    ['/ab', undefined],
    ['/A', undefined],
    ['/a/b', 'a/b'],
    ['/a/b?x', 'a/b'],
    ['/a/bc', 'a'],
    ['/a/b/c', 'exact'],
    ['/a/b/c?d', 'exact'],
    ['/a/b/c/', 'a/b'],
    ['/x', undefined],
  ] as const) {
    assert.equal(match(of, target), want, target)
  }
})

test('an exact host counts before wildcards, longer ones before shorter, and what does not match is tried further', () => {
  const of = table([
    rule('any'),
    rule('*.com', { hosts: ['*.com'] }),
    rule('*.b.com', { hosts: ['*.B.com'], path: { prefix: '/p' } }),
    rule('a.b.com', { hosts: ['a.b.com', 'x.org'], methods: ['POST'] }),
    rule('v6', { hosts: ['[::1]'] }),
  ])
  for (const [host, method, want] of [
    ['a.b.com', 'POST', 'a.b.com'],
    ['A.B.Com:8080', 'POST', 'a.b.com'],
    ['a.b.com.', 'POST', 'a.b.com'],
    ['a.b.com', 'GET', '*.b.com'],
    ['c.a.b.com', 'POST', '*.b.com'],
    ['b.com', 'GET', '*.com'],
    ['com', 'GET', 'any'],
    ['xb.com', 'GET', '*.com'],
    ['x.org', 'POST', 'a.b.com'],
    ['[::1]:80', 'GET', 'v6'],
    ['', 'GET', 'any'],
  ] as const) {
    assert.equal(match(of, '/p', host, method), want, `${method} ${host}`)
  }
  assert.equal(match(of, '/q', 'c.b.com'), '*.com')
  assert.equal(match(of, '*', 'a', 'OPTIONS'), 'any')
})

test('methods and headers narrow a rule; more of them count before fewer, then the order', () => {
  const of = table([
    rule('first'),
    rule('second'),
    rule('get', { methods: ['GET', 'BREW'] }),
    rule('canary', { headers: [{ name: 'X-Canary', value: 'yes' }] }),
    rule('both', {
      headers: [
        { name: 'x-canary', value: 'yes' },
        { name: 'User', value: 'Me' },
      ],
    }),
  ])
  assert.equal(match(of, '/', 'a', 'PUT'), 'first')
  assert.equal(match(of, '/', 'a', 'GET'), 'get')
  assert.equal(match(of, '/', 'a', 'BREW'), 'get')
  assert.equal(match(of, '/', 'a', 'BREWS'), 'first')
  assert.equal(match(of, '/', 'a', 'PUT', 'x-CANARY: yes\r\n'), 'canary')
  assert.equal(match(of, '/', 'a', 'PUT', 'x-canary: Yes\r\n'), 'first')
  assert.equal(match(of, '/', 'a', 'PUT', 'x-canary: no\r\nx-canary: yes\r\n'), 'first')
  assert.equal(match(of, '/', 'a', 'PUT', 'x-canary: yes\r\nuser: Me\r\n'), 'both')
})

test('weights share requests out; 0 gets none', () => {
  let at = 0
  const of = table(
    [
      rule('r', {
        backends: [
          { upstream: 'a', weight: 1 },
          { upstream: 'b', weight: 0 },
          { upstream: 'c', weight: 3 },
        ],
      }),
    ],
    () => at,
  )
  const got = Array.from({ length: 100 }, (_, i) => {
    at = i / 100
    return match(of, '/')
  })
  assert.deepEqual(
    ['r/a', 'r/b', 'r/c'].map((name) => got.filter((target) => target === name).length),
    [25, 0, 75],
  )
})

test('all that is wrong with rules is told at once', () => {
  const bad = [
    rule('x', { hosts: ['a b', '*'], path: { prefix: 'a' }, methods: ['G T'], headers: [{ name: '', value: '' }] }),
    rule('x', { backends: [], hosts: [], methods: [] }),
    rule('', { path: { exact: '/a/../b' }, backends: [{ upstream: 'u', weight: 0 }] }),
    rule('y', { path: { prefix: '/a?b' }, backends: [{ upstream: 'u', weight: -1 }] }),
  ]
  assert.throws(
    () => table(bad),
    (error: unknown) => {
      assert.ok(error instanceof RouteRulesError)
      assert.deepEqual(
        error.errors.map(({ rule: name, field }) => `${name}:${field}`),
        [
          'x:hosts[0]',
          'x:hosts[1]',
          'x:path',
          'x:methods[0]',
          'x:headers[0].name',
          'x:hosts',
          'x:methods',
          'x:backends',
          ':name',
          ':path',
          ':backends',
          'y:path',
          'y:backends[0].weight',
          'x:name',
        ],
      )
      return true
    },
  )
  assert.equal(readsPaths([rule('a'), rule('b', { path: { prefix: '/' } })]), false)
  assert.equal(readsPaths([rule('b', { path: { exact: '/' } })]), true)
})

test('paths that servers may read as others are found, whatever the spelling', () => {
  const is = (text: string): boolean => {
    const b = Buffer.from(text, 'latin1')
    return isAmbiguousPath(b, 0, b.length)
  }
  for (const path of [
    '/.',
    '/..',
    '/a/..',
    '/a/../b',
    '/./a',
    '//a',
    '/a//b',
    '/a\\b',
    '/%2e%2E/a',
    '/.%2e',
    '/%2E',
    '/a%2fb',
    '/a%5Cb',
    '/a%00',
    '/a/.?x',
  ])
    assert.equal(is(path), true, path)
  for (const path of ['/', '/a/', '/a.b', '/...', '/.a', '/a..', '/%2ea', '/a%20b', '/%', '/a?x=//..', '/a?%2f', '*'])
    assert.equal(is(path), false, path)
})

test('a table chooses what a plain reading of all rules in turn chooses', () => {
  const segment = fc.constantFrom('a', 'b', 'ab')
  const path = fc.array(segment, { maxLength: 3 }).map((parts) => `/${parts.join('/')}`)
  const host = fc.constantFrom('a.com', 'b.a.com', 'c.b.a.com', 'x')
  const anyRule = fc.record({
    hosts: fc.option(
      fc.array(fc.oneof(host, fc.constantFrom('*.a.com', '*.b.a.com')), { minLength: 1, maxLength: 2 }),
      { nil: undefined },
    ),
    path: fc.option(
      fc.oneof(
        path.map((exact) => ({ exact })),
        path.map((prefix) => ({ prefix })),
      ),
      { nil: undefined },
    ),
    methods: fc.option(fc.constant(['GET']), { nil: undefined }),
  })
  fc.assert(
    fc.property(
      fc.array(anyRule, { maxLength: 8 }),
      host,
      path,
      fc.constantFrom('GET', 'PUT'),
      (rules, wantedHost, target, method) => {
        const named = rules.map((one, i) => rule(`r${i}`, one))
        const hostScore = (one: RouteRule): number =>
          Math.max(
            -1,
            ...(one.hosts === undefined
              ? [0]
              : one.hosts.map((name) =>
                  name === wantedHost
                    ? 1_000
                    : name.startsWith('*.') && wantedHost.endsWith(name.slice(1))
                      ? name.length
                      : -1,
                )),
          )
        const pathScore = ({ path: wanted }: RouteRule): number => {
          if (wanted === undefined) return 0
          if ('exact' in wanted) return wanted.exact === target ? 1_000 + target.length : -1
          const prefix = wanted.prefix === '/' ? '' : wanted.prefix
          return `${target}/`.startsWith(`${prefix}/`) ? prefix.length : -1
        }
        const best = named
          .filter(
            (one) => hostScore(one) >= 0 && pathScore(one) >= 0 && (one.methods === undefined || method === 'GET'),
          )
          .toSorted(
            (x, y) =>
              hostScore(y) - hostScore(x) ||
              pathScore(y) - pathScore(x) ||
              Number(y.methods !== undefined) - Number(x.methods !== undefined),
          )[0]
        assert.equal(match(table(named), target, wantedHost, method), best?.name)
      },
    ),
    { numRuns: 2_000 },
  )
})

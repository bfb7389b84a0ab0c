import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { BalancedEndpoint } from '../../../../src/proxy/balance/balanced-endpoint.ts'
import { hashBytes, hashText } from '../../../../src/proxy/balance/hash-key.ts'
import { CookieSearch, sessionCookie } from '../../../../src/proxy/balance/session-cookie.ts'
import { StickySessions } from '../../../../src/proxy/balance/sticky-sessions.ts'
import { endpoints } from './endpoints.ts'

function find(sessions: StickySessions, token: string, all: readonly BalancedEndpoint[]): BalancedEndpoint | undefined {
  const bytes = Buffer.from(`x${token}x`)
  return sessions.find(bytes, 1, bytes.length - 1, all)
}

function readCookie(header: string, name: string): string | undefined {
  const search = new CookieSearch(name)
  const bytes = Buffer.from(`a=0;${header};a=0`)
  const found = search.find(bytes, 4, bytes.length - 4)
  return found ? bytes.toString('latin1', search.start, search.end) : undefined
}

describe('sticky sessions', () => {
  it('find the endpoint that a token stands for, on every proxy with the secret', () => {
    const all = endpoints(20)
    const here = new StickySessions('secret')
    const there = new StickySessions(Buffer.from('secret'))
    for (const endpoint of all) assert.equal(find(there, here.token(endpoint), all), endpoint)
  })

  it('know no token of another secret, of an endpoint that is gone, or made up', () => {
    const all = endpoints(3)
    const sessions = new StickySessions('secret')
    const token = sessions.token(all[0]!)
    assert.equal(find(new StickySessions('other'), token, all), undefined)
    assert.equal(find(sessions, token, all), all[0])
    assert.equal(find(sessions, token, all.slice(1)), undefined)
    for (const made of ['', '__proto__', all[0]!.name]) assert.equal(find(sessions, made, all), undefined)
  })

  it('show nothing of the address and fit into a cookie', () => {
    const [endpoint] = endpoints(1)
    assert.match(new StickySessions('secret').token(endpoint!), /^[\w-]{16}$/)
  })
})

describe('session cookie', () => {
  const rows = [
    { name: 'alone', header: 'a=1', want: '1' },
    { name: 'among others', header: 'b=2; a=1; c=3', want: '1' },
    { name: 'the first of two', header: 'a=1; a=2', want: '1' },
    { name: 'without spaces', header: 'b=2;a=1', want: '1' },
    { name: 'in quotes', header: 'a="1"', want: '1' },
    { name: 'with an equals sign in it', header: 'a=1=2', want: '1=2' },
    { name: 'empty', header: 'a=', want: '' },
    { name: 'not one whose name ends the same', header: 'aa=1; ba=2', want: undefined },
    { name: 'not a value without a name', header: 'a; b=a=1', want: undefined },
    { name: 'not in nothing', header: '', want: undefined },
  ]
  for (const { name, header, want } of rows) it(`is read ${name}`, () => assert.equal(readCookie(header, 'a'), want))

  it('is out of reach of scripts, and of plain HTTP where the client came by TLS', () => {
    assert.equal(sessionCookie('s', 'v', { secure: false }), 's=v; Path=/; HttpOnly; SameSite=Lax')
    assert.equal(
      sessionCookie('s', 'v', { secure: true, path: '/shop', maxAgeMs: 1_500 }),
      's=v; Path=/shop; Max-Age=2; HttpOnly; SameSite=Lax; Secure',
    )
  })
})

describe('hash key', () => {
  it('is the same for a text and its bytes, and depends on the seed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii', minLength: 1 }), fc.nat(), (text, seed) => {
        const bytes = Buffer.from(`<${text}>`)
        assert.equal(hashBytes(bytes, 1, bytes.length - 1, seed), hashText(text, seed))
        assert.notEqual(hashText(text, seed), hashText(text, seed + 1))
      }),
    )
  })

  it('fills its 32 bits evenly with names that differ in a digit', () => {
    const counts = new Array<number>(64).fill(0)
    for (let i = 0; i < 64_000; i++) counts[hashText(`user-${i}`) >>> 26]! += 1
    // Five standard deviations of 1,000.
    assert.ok(Math.min(...counts) > 840 && Math.max(...counts) < 1_160, counts.join(' '))
  })
})

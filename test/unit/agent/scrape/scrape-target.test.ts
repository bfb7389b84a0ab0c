import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scrapeTarget } from '../../../../src/agent/scrape/scrape-target.ts'
import type { Pod } from '../../../../src/api/types/core-v1.gen.ts'

const ADDRESS = '127.64.129.7'

function pod(
  annotations: Readonly<Record<string, string>>,
  ports: readonly { readonly containerPort: number; readonly protocol?: string }[] = [],
): Pod {
  return {
    metadata: {
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [`prometheus.io/${key}`, value]),
      ),
    },
    spec: { containers: [{ name: 'main', image: 'x', ports }] },
  } as Pod
}

const PORT = [{ containerPort: 53, protocol: 'UDP' }, { containerPort: 8080 }]
const TARGET = { scheme: 'http', address: ADDRESS, port: 8080, path: '/metrics' }

for (const { name, given, ports = PORT, want } of [
  { name: 'no annotation', given: {}, want: undefined },
  { name: 'scrape: false', given: { scrape: 'false' }, want: undefined },
  { name: 'scrape: yes', given: { scrape: 'yes' }, want: undefined },
  { name: 'scrape alone: the first TCP port', given: { scrape: 'true' }, want: TARGET },
  { name: 'no port anywhere', given: { scrape: 'true' }, ports: [], want: undefined },
  { name: 'a port of its own', given: { scrape: 'true', port: '9102' }, want: { ...TARGET, port: 9102 } },
  { name: 'a port that is none', given: { scrape: 'true', port: '0' }, want: undefined },
  { name: 'a port that is too large', given: { scrape: 'true', port: '70000' }, want: undefined },
  { name: 'a port with a host', given: { scrape: 'true', port: '10.0.0.1:80' }, want: undefined },
  {
    name: 'a path',
    given: { scrape: 'true', path: '/stats?format=prometheus' },
    want: { ...TARGET, path: '/stats?format=prometheus' },
  },
  { name: 'a path without its slash', given: { scrape: 'true', path: 'm' }, want: { ...TARGET, path: '/m' } },
  { name: 'https', given: { scrape: 'true', scheme: 'https' }, want: { ...TARGET, scheme: 'https' } },
  { name: 'another scheme', given: { scrape: 'true', scheme: 'file' }, want: undefined },
])
  test(`${name}: ${JSON.stringify(want)}`, () => {
    assert.deepEqual(scrapeTarget(pod(given, ports), ADDRESS), want)
  })

test('a pod without an address is not asked', () => {
  assert.equal(scrapeTarget(pod({ scrape: 'true' }, PORT), ''), undefined)
  assert.equal(scrapeTarget(pod({ scrape: 'true' }, PORT), 'example.com'), undefined)
})

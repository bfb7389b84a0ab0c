// Quantities (k8s.io/apimachinery resource.Quantity), times, durations, percentages, names: what single values mean.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { setCondition } from '../../../src/api/conditions.ts'
import { age, humanDuration } from '../../../src/api/human-duration.ts'
import { isPercent, scaledValue } from '../../../src/api/int-or-string.ts'
import {
  configMapKeyErrors,
  dns1035LabelErrors,
  dns1123LabelErrors,
  dns1123SubdomainErrors,
  envVarNameErrors,
  labelValueErrors,
  pathSegmentErrors,
  portNameErrors,
  portNumberErrors,
  qualifiedNameErrors,
} from '../../../src/api/names.ts'
import { canonicalQuantity, compareQuantities, quantityToMilli, quantityToNumber } from '../../../src/api/quantity.ts'
import { canonicalTimestamp } from '../../../src/api/timestamp.ts'

describe('quantities', () => {
  const canonical: readonly (readonly [given: string, want: string])[] = [
    ['0', '0'],
    ['-0', '0'],
    ['1', '1'],
    ['+1', '1'],
    ['-1', '-1'],
    ['.5', '500m'],
    ['1.', '1'],
    ['0.1', '100m'],
    ['1.5', '1500m'],
    ['100m', '100m'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['1000', '1k'],
    ['1024', '1024'],
    ['1e3', '1e3'],
    ['1E3', '1e3'],
    ['12e5', '1200e3'],
    ['1Ki', '1Ki'],
    ['1024Ki', '1Mi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Gi', '512Mi'],
    ['0.5Ki', '512'],
    ['1Ei', '1Ei'],
    ['1000Mi', '1000Mi'],
    ['1n', '1n'],
    ['0.1n', '1n'],
    ['1u', '1u'],
    ['1.0001u', '1001n'],
    ['100E', '9223372036854775807'],
    ['1e1000', '9223372036854775807'],
    ['1e-1000', '1e-9'],
  ]
  for (const [given, want] of canonical) test(`${given} is ${want}`, () => assert.equal(canonicalQuantity(given), want))

  for (const bad of [
    '',
    ' ',
    'a',
    '1a',
    '1 ',
    '1.2.3',
    '--1',
    '1KI',
    '1ki',
    '1mi',
    '1e',
    'e3',
    '0x1',
    '1,5',
    '1'.repeat(65),
  ])
    test(`${JSON.stringify(bad).slice(0, 12)} is none`, () =>
      assert.throws(() => canonicalQuantity(bad), { name: 'QuantityError' }))

  test('compare by value, not by text', () => {
    assert.equal(compareQuantities('1', '1000m'), 0)
    assert.ok(compareQuantities('1Gi', '1G') > 0)
    assert.ok(compareQuantities('-1', '0') < 0)
  })

  test('round up: no request is taken for less than it is', () => {
    assert.deepEqual(['1', '100m', '0.1m', '1n', '-0.1m'].map(quantityToMilli), [1_000, 100, 1, 1, -1])
    assert.deepEqual(['1', '1Ki', '1.1', '1m'].map(quantityToNumber), [1, 1024, 2, 1])
  })

  test('the canonical form is its own, and worth the same', () => {
    const suffix = fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'Ki', 'Mi', 'Gi', 'e2', 'e-3')
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.nat(999), suffix, (whole, fraction, unit) => {
        const text = `${whole}.${fraction}${unit}`
        const once = canonicalQuantity(text)
        assert.equal(canonicalQuantity(once), once)
        assert.equal(compareQuantities(once, text), 0)
      }),
    )
  })
})

describe('times', () => {
  const rows: readonly (readonly [given: string, seconds: string, micros: string])[] = [
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000000Z'],
    ['2026-01-02T03:04:05.123456789Z', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05.123456Z'],
    ['2026-01-02T03:04:05+02:00', '2026-01-02T01:04:05Z', '2026-01-02T01:04:05.000000Z'],
    ['2024-02-29T23:59:59-00:30', '2024-03-01T00:29:59Z', '2024-03-01T00:29:59.000000Z'],
  ]
  for (const [given, seconds, micros] of rows)
    test(given, () =>
      assert.deepEqual([canonicalTimestamp(given, 'seconds'), canonicalTimestamp(given, 'micros')], [seconds, micros]),
    )
  for (const bad of [
    '',
    '2026-01-02',
    '2026-01-02 03:04:05Z',
    '2026-13-02T03:04:05Z',
    '2026-02-29T03:04:05Z',
    '2026-01-02T24:00:00Z',
    '2026-01-02T03:60:05Z',
    '2026-01-02T03:04:60Z',
    '2026-01-02T03:04:05',
    '2026-01-02T03:04:05z',
    'now',
    '2026-01-02T03:04:05+99:99',
  ])
    test(`${bad || 'nothing'} is none`, () =>
      assert.throws(() => canonicalTimestamp(bad, 'seconds'), { name: 'TimestampError' }))
})

test('ages are worded as kubectl words them', () => {
  const s = 1_000
  const [m, h, d] = [60 * s, 3_600 * s, 24 * 3_600 * s]
  const rows: readonly (readonly [number, string])[] = [
    [-5 * s, '<invalid>'],
    [-1 * s, '0s'],
    [0, '0s'],
    [119 * s, '119s'],
    [120 * s, '2m'],
    [150 * s, '2m30s'],
    [10 * m, '10m'],
    [179 * m, '179m'],
    [3 * h, '3h'],
    [3 * h + 20 * m, '3h20m'],
    [8 * h, '8h'],
    [47 * h, '47h'],
    [2 * d, '2d'],
    [2 * d + 5 * h, '2d5h'],
    [8 * d, '8d'],
    [729 * d, '729d'],
    [730 * d, '2y'],
    [740 * d, '2y10d'],
    [3_000 * d, '8y'],
  ]
  for (const [ms, want] of rows) assert.equal(humanDuration(ms), want)
  assert.equal(age(undefined, 0), '<unknown>')
})

test('percentages scale up or down, numbers stay', () => {
  assert.deepEqual(
    [
      scaledValue(3, 10, true),
      scaledValue('25%', 10, true),
      scaledValue('25%', 10, false),
      scaledValue('0%', 10, true),
      scaledValue('150%', 10, true),
    ],
    [3, 3, 2, 0, 15],
  )
  for (const bad of ['25', '25.5%', '-1%', '%', 'x']) {
    assert.ok(!isPercent(bad))
    assert.throws(() => scaledValue(bad, 10, true))
  }
})

test('a condition keeps its time until its status changes', () => {
  const one = setCondition(undefined, { type: 'Ready', status: 'False', reason: 'A' }, 't1')
  const same = setCondition(one, { type: 'Ready', status: 'False', reason: 'B' }, 't2')
  assert.deepEqual(same, [{ type: 'Ready', status: 'False', reason: 'B', lastTransitionTime: 't1' }])
  const other = setCondition<{ type: string; status: string; reason?: string; lastTransitionTime?: string }>(
    [...same, { type: 'X', status: 'True' }],
    { type: 'Ready', status: 'True', reason: 'C' },
    't3',
  )
  assert.deepEqual(
    other.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    [
      ['Ready', 't3'],
      ['X', undefined],
    ],
  )
})

describe('names', () => {
  const long = 'a'.repeat(64)
  const rows: readonly {
    readonly name: string
    readonly check: (value: string) => readonly string[]
    readonly good: readonly string[]
    readonly bad: readonly string[]
  }[] = [
    {
      name: 'DNS label',
      check: dns1123LabelErrors,
      good: ['a', 'a-b', '1', 'a'.repeat(63)],
      bad: ['', 'A', 'a.b', '-a', 'a-', 'a_b', long, 'ü', 'a\n'],
    },
    {
      name: 'DNS subdomain',
      check: dns1123SubdomainErrors,
      good: ['a', 'a.b', '1.2', `${'a'.repeat(63)}.b`],
      bad: ['', 'A', '.a', 'a.', 'a..b', 'a_b', 'a'.repeat(254), 'a\n'],
    },
    {
      name: 'service name',
      check: dns1035LabelErrors,
      good: ['a', 'a1', 'a-b'],
      bad: ['', '1a', 'A', 'a.b', 'a-', long],
    },
    {
      name: 'path segment',
      check: pathSegmentErrors,
      good: ['a', 'A:b', 'system:node'],
      bad: ['.', '..', 'a/b', 'a%b'],
    },
    {
      name: 'qualified name',
      check: qualifiedNameErrors,
      good: ['a', 'A.b_c-d', 'example.com/a', '1/2'],
      bad: ['', '/a', 'a/', 'a/b/c', '-a', 'a-', 'A.com/a', `x/${long}`, ' '],
    },
    {
      name: 'label value',
      check: labelValueErrors,
      good: ['', 'a', 'A.b_c', '1'],
      bad: ['-', 'a-', '.a', 'a b', long, 'a\n'],
    },
    {
      name: 'environment variable',
      check: envVarNameErrors,
      good: ['A', 'a.b-c', '1', 'A B'],
      bad: ['', 'A=B', 'ü', 'a\n'],
    },
    {
      name: 'key of a ConfigMap',
      check: configMapKeyErrors,
      good: ['a', 'A.b_c-d', '.a'],
      bad: ['', '.', '..', '..a', 'a/b', 'a b', 'a'.repeat(254)],
    },
    {
      name: 'port name',
      check: portNameErrors,
      good: ['http', 'a-1', '1a'],
      bad: ['', 'HTTP', '1', 'a--b', '-a', 'a-', 'a'.repeat(16), 'a_b'],
    },
  ]
  for (const { name, check, good, bad } of rows)
    test(name, () => {
      for (const value of good) assert.deepEqual(check(value), [], value)
      for (const value of bad) assert.notEqual(check(value).length, 0, JSON.stringify(value))
    })
  test('port number', () => {
    for (const good of [1, 80, 65_535]) assert.deepEqual(portNumberErrors(good), [])
    for (const bad of [0, -1, 65_536, 1.5, Number.NaN]) assert.notEqual(portNumberErrors(bad).length, 0)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Exposed, ExpositionError, ExpositionParser } from '../../../../src/agent/scrape/exposition-parser.ts'
import { exposition } from '../../../../src/base/metric-families.ts'

function parse(text: string, ...wanted: readonly string[]): Exposed {
  const parser = new ExpositionParser(new Set(wanted))
  parser.push(text)
  return parser.end()
}

describe('lines of the text format', () => {
  for (const { name, text, want } of [
    { name: 'a bare value', text: 'x 1', want: [{}, 1] },
    { name: 'a value with a time', text: 'x 1.5 1395066363000\n', want: [{}, 1.5] },
    { name: 'an exponent', text: 'x -1.5e-3\n', want: [{}, -0.0015] },
    { name: 'labels', text: 'x{a="1",b="two"} 3\n', want: [{ a: '1', b: 'two' }, 3] },
    { name: 'a comma behind the last label', text: 'x{a="1",} 3\n', want: [{ a: '1' }, 3] },
    { name: 'empty braces', text: 'x{} 3\n', want: [{}, 3] },
    {
      name: 'blanks wherever they may stand',
      text: '  x { a = "1" , b = "2" }   3  \n',
      want: [{ a: '1', b: '2' }, 3],
    },
    { name: 'tabs', text: '\tx\t{a="1"}\t3\n', want: [{ a: '1' }, 3] },
    { name: 'escapes', text: 'x{a="q\\"b\\\\n\\n}"} 3\n', want: [{ a: 'q"b\\n\n}' }, 3] },
    {
      name: 'braces, commas and blanks within a value',
      text: 'x{a="},{ =\\"",b="#"} 3\n',
      want: [{ a: '},{ ="', b: '#' }, 3],
    },
    { name: 'carriage returns', text: 'x 3\r\n', want: [{}, 3] },
    { name: 'an exemplar of OpenMetrics', text: 'x 3 # {trace="1"} 0.5 1.2\n# EOF\n', want: [{}, 3] },
    { name: 'comments and empty lines', text: '# HELP x y\n#\n# a word\n\n  \nx 3\n', want: [{}, 3] },
    {
      name: 'the last of two that are the same',
      text: 'x{a="1",b="2"} 3\nx{b="2",a="1"} 4\n',
      want: [{ a: '1', b: '2' }, 4],
    },
  ] as const)
    test(name, () => {
      assert.deepEqual(parse(text, 'x').series, [{ name: 'x', type: 'gauge', labels: want[0], value: want[1] }])
    })

  for (const value of ['NaN', '+Inf', '-Inf', 'Inf'])
    test(`${value} says nothing`, () => {
      assert.deepEqual(parse(`x ${value}\n`, 'x').series, [])
    })

  for (const text of [
    '<html><body>not found</body></html>',
    '{"json": true}',
    'x',
    'x{a="1"}',
    'x{a="1" 3',
    'x{a=1} 3',
    'x{a="1"b="2"} 3',
    'x{="1"} 3',
    'x{a="1} 3',
    'x abc',
    'x 1 2 3',
    'x 0x10',
    'x 1_000',
    '9x 1\n',
    'x 1\n-',
    '\u0000',
  ])
    test(`${JSON.stringify(text)} is not of this format`, () => {
      assert.throws(() => parse(text, 'x'), ExpositionError)
    })
})

test('how series are counted', () => {
  const { names, series } = parse(
    `# TYPE jobs counter
jobs 1
# TYPE temperature gauge
temperature 20
http_requests_total 2
# TYPE odd_total gauge
odd_total 3
# TYPE latency histogram
latency_bucket{le="1"} 4
latency_bucket{le="+Inf"} 5
latency_sum 6
latency_count 5
# TYPE rpc summary
rpc{quantile="0.5"} 7
rpc_sum 8
rpc_count 9
lonely_sum 1
# TYPE open counter
open_total 3
`,
    'jobs',
    'open_total',
    'latency_bucket',
  )
  assert.deepEqual(Object.fromEntries(names), {
    jobs: 'counter',
    temperature: 'gauge',
    http_requests_total: 'counter',
    odd_total: 'gauge',
    latency_sum: 'counter',
    latency_count: 'counter',
    rpc: 'gauge',
    rpc_sum: 'counter',
    rpc_count: 'counter',
    lonely_sum: 'gauge',
    open_total: 'counter',
  })
  assert.deepEqual(
    series.map(({ name, type }) => [name, type]),
    [
      ['jobs', 'counter'],
      ['latency_bucket', 'counter'],
      ['latency_bucket', 'counter'],
      ['open_total', 'counter'],
    ],
  )
})

test('what is not wanted is not kept', () => {
  const { names, series } = parse('a 1\nb{x="1"} 2\n', 'b')
  assert.deepEqual([...names.keys()], ['a', 'b'])
  assert.deepEqual(
    series.map(({ name }) => name),
    ['b'],
  )
})

test('a series with too many label sets is missing as a whole, and others are not', () => {
  const text = `${Array.from({ length: 1_000 }, (_, i) => `many{id="${i}"} 1`).join('\n')}\nfew 1\n`
  assert.deepEqual(
    parse(text, 'many', 'few').series.map(({ name }) => name),
    ['few'],
  )
})

for (const { name, text } of [
  { name: 'a line without end', text: `x{a="${'y'.repeat(100_000)}` },
  { name: 'a long label', text: `x{a="${'y'.repeat(300)}"} 1` },
  { name: 'a long name', text: `${'y'.repeat(300)} 1` },
  { name: 'very many labels', text: `x{${Array.from({ length: 100 }, (_, i) => `l${i}="1"`).join(',')}} 1` },
])
  test(`${name} is refused`, () => {
    assert.throws(() => parse(text, 'x'), ExpositionError)
  })

test('very many names are not all kept', () => {
  const text = Array.from({ length: 5_000 }, (_, i) => `n${i} 1`).join('\n')
  assert.equal(parse(text).names.size, 1_000)
})

test('labels with names of JavaScript’s own are labels', () => {
  const { series } = parse('x{__proto__="1",constructor="2"} 3\nconstructor 4\n', 'x', 'constructor')
  assert.deepEqual(Object.entries(series[0]!.labels), [
    ['__proto__', '1'],
    ['constructor', '2'],
  ])
  assert.equal(series[1]?.value, 4)
})

test('it reads what this program itself exposes', async () => {
  const samples = [
    { value: 3, labels: { a: 'x"y\\z\n' } },
    { value: 0.5, labels: { a: '' } },
  ]
  const { text } = await exposition([{ name: 'own_total', type: 'counter', help: 'h', samples: () => samples }])
  assert.deepEqual(
    parse(text, 'own_total').series.map(({ labels, value }) => ({ value, labels })),
    samples,
  )
})

test('wherever the text is cut, it is read the same', () => {
  const label = fc.tuple(fc.stringMatching(/^[a-z]{1,4}$/), fc.string({ maxLength: 10 }))
  const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  const line = fc
    .tuple(
      fc.constantFrom('a', 'b', 'c_total'),
      fc.array(label, { maxLength: 4 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    )
    .map(
      ([name, labels, value]) =>
        `${name}{${labels.map(([key, text]) => `${key}="${escaped(text.replaceAll('\r', ''))}"`).join(',')}} ${value}`,
    )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.nat(200), { maxLength: 10 }), (lines, cuts) => {
      const text = lines.map((one) => `${one}\n`).join('')
      const parser = new ExpositionParser(new Set(['a', 'c_total']))
      let from = 0
      for (const cut of cuts) {
        parser.push(text.slice(from, from + cut))
        from += cut
      }
      parser.push(text.slice(from))
      assert.deepEqual(parser.end(), parse(text, 'a', 'c_total'))
    }),
  )
})

test('any text either is read or is refused, and quickly', () => {
  const near = fc.stringMatching(/^[xy_{}="\\,# \t\n0-9.eE+-]{0,200}$/)
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        near,
        near.map((tail) => `x{a="${tail}`),
      ),
      (text) => {
        try {
          for (const { value } of parse(text, 'x', 'y').series) assert.ok(Number.isFinite(value))
        } catch (error) {
          assert.ok(error instanceof ExpositionError, String(error))
        }
      },
    ),
    { numRuns: 2_000 },
  )
})

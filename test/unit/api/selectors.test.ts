import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseFieldSelector } from '../../../src/api/field-selector.ts'
import {
  formatLabelSelector,
  labelMatcherOf,
  matcherOfMap,
  parseLabelSelector,
  validateLabelSelector,
} from '../../../src/api/label-selector.ts'

describe('label selectors in text', () => {
  const labels = { app: 'web', tier: 'front', n: '5', empty: '' }
  const rows: readonly (readonly [text: string, matches: boolean])[] = [
    ['', true],
    [' ', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app=db', false],
    ['none=web', false],
    ['app!=web', false],
    ['app!=db', true],
    ['none!=x', true],
    ['app', true],
    ['none', false],
    ['!none', true],
    ['! none', true],
    ['!app', false],
    ['app in (web,db)', true],
    ['app in ( web , db )', true],
    ['app in (db)', false],
    ['none in (x)', false],
    ['app notin (db)', true],
    ['none notin (x)', true],
    ['app in (,web)', true],
    ['empty=', true],
    ['empty', true],
    ['empty in ()', true],
    ['n>4', true],
    ['n>5', false],
    ['n<6', true],
    ['app>1', false],
    ['none>1', false],
    ['app=web,tier=front', true],
    ['app=web,tier=back', false],
    ['app in (web),n>1,!none', true],
    ['toString', false],
    ['constructor=x', false],
  ]
  for (const [text, matches] of rows)
    test(`${JSON.stringify(text)} ${matches ? 'fits' : 'does not fit'}`, () =>
      assert.equal(parseLabelSelector(text).matches(labels), matches))

  for (const text of [
    '=',
    'a b',
    'a=b=c',
    'a in',
    'a in (',
    'a in b',
    'in (a)',
    'a,,b',
    ',',
    '!',
    '(a)',
    'a=-',
    '-a',
    'a>x',
    'a>',
    'a=b,',
    '!!a',
    'a in (b))',
    '/a',
    'a/b/c=1',
    `${'a'.repeat(64)}=b`,
  ])
    test(`${JSON.stringify(text).slice(0, 30)} is none`, () =>
      assert.throws(() => parseLabelSelector(text), { name: 'LabelSelectorError' }))

  test('print themselves so that they are read back the same', () => {
    const key = fc.stringMatching(/^[a-z]{1,5}(\/[a-z]{1,3})?$/)
    const value = fc.stringMatching(/^[a-z0-9]{1,4}$/)
    const term = fc.oneof(
      fc.tuple(key, fc.constantFrom('=', '!='), value).map((parts) => parts.join('')),
      fc
        .tuple(key, fc.constantFrom('in', 'notin'), fc.array(value, { minLength: 1, maxLength: 3 }))
        .map(([k, op, values]) => `${k} ${op} (${values.join()})`),
      key,
      key.map((k) => `!${k}`),
      fc.tuple(key, fc.constantFrom('<', '>'), fc.integer()).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(fc.array(term, { maxLength: 5 }), fc.dictionary(key, value), (terms, labelled) => {
        const one = parseLabelSelector(terms.join())
        const two = parseLabelSelector(one.text)
        assert.equal(two.text, one.text)
        assert.equal(two.matches(labelled), one.matches(labelled))
      }),
    )
  })
})

describe('label selectors in objects', () => {
  test('a missing one fits nothing, an empty one everything', () => {
    assert.equal(labelMatcherOf(undefined).matches({ a: 'b' }), false)
    assert.equal(labelMatcherOf({}).matches(undefined), true)
    assert.equal(matcherOfMap({}).matches({}), true)
  })

  test('all their parts have to hold', () => {
    const selector = {
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['a', 'b'] },
        { key: 'x', operator: 'DoesNotExist' },
        { key: 'app', operator: 'Exists' },
        { key: 'tier', operator: 'NotIn', values: ['c'] },
      ],
    }
    const { matches, text } = labelMatcherOf(selector)
    assert.ok(matches({ app: 'web', tier: 'a' }))
    for (const labels of [{ app: 'web' }, { app: 'web', tier: 'c' }, { app: 'web', tier: 'a', x: '' }, { tier: 'a' }])
      assert.ok(!matches(labels as Record<string, string>))
    assert.equal(text, 'app=web,tier in (a,b),!x,app,tier notin (c)')
  })

  test('print as kubectl’s columns show them', () => {
    assert.deepEqual(
      [
        formatLabelSelector(undefined),
        formatLabelSelector({}),
        formatLabelSelector({ matchLabels: { b: '2', a: '1' } }),
      ],
      ['<none>', '<none>', 'a=1,b=2'],
    )
  })

  test('are checked part by part', () => {
    const errors = validateLabelSelector(
      {
        matchLabels: { '-': 'a b' },
        matchExpressions: [
          { key: 'a', operator: 'In' },
          { key: 'a', operator: 'Exists', values: ['x'] },
          { key: '', operator: 'Like' },
          { key: 'a', operator: 'NotIn', values: ['-'] },
        ],
      },
      'spec.selector',
    )
    assert.deepEqual(
      errors.map(({ path, reason }) => `${path} ${reason}`),
      [
        'spec.selector.matchLabels FieldValueInvalid',
        'spec.selector.matchLabels FieldValueInvalid',
        'spec.selector.matchExpressions[0].values FieldValueRequired',
        'spec.selector.matchExpressions[1].values FieldValueForbidden',
        'spec.selector.matchExpressions[2].operator FieldValueNotSupported',
        'spec.selector.matchExpressions[2].key FieldValueInvalid',
        'spec.selector.matchExpressions[2].key FieldValueInvalid',
        'spec.selector.matchExpressions[3].values[0] FieldValueInvalid',
      ],
    )
    assert.deepEqual(validateLabelSelector(undefined, 'x'), [])
  })
})

describe('field selectors', () => {
  const rows: readonly (readonly [text: string, want: readonly (readonly [string, string, string])[]])[] = [
    ['', []],
    ['a=b', [['a', '=', 'b']]],
    ['a==b', [['a', '=', 'b']]],
    ['a!=b', [['a', '!=', 'b']]],
    ['a=', [['a', '=', '']]],
    [
      'a=b,c!=d',
      [
        ['a', '=', 'b'],
        ['c', '!=', 'd'],
      ],
    ],
    ['a=b\\,c', [['a', '=', 'b,c']]],
    ['a=b\\=c', [['a', '=', 'b=c']]],
    ['a=b=c', [['a', '=', 'b=c']]],
    ['a=b\\\\', [['a', '=', 'b\\']]],
    [',a=b,', [['a', '=', 'b']]],
    ['spec.nodeName=', [['spec.nodeName', '=', '']]],
  ]
  for (const [text, want] of rows)
    test(JSON.stringify(text), () =>
      assert.deepEqual(
        parseFieldSelector(text).requirements.map(({ field, operator, value }) => [field, operator, value]),
        want,
      ),
    )
  for (const text of ['a', '=b', '!=b', 'a=\\x', 'a=b,c', '\\'])
    test(`${JSON.stringify(text)} is none`, () =>
      assert.throws(() => parseFieldSelector(text), { name: 'FieldSelectorError' }))
})

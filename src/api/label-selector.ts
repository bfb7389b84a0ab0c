import { type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts'
import { labelValueErrors, qualifiedNameErrors } from './names.ts'
import type { LabelSelector } from './types/meta-v1.gen.ts'

type Labels = Readonly<Record<string, string>>

/** A parsed selector: says whether a set of labels fits, and how it is written in a query. */
export interface LabelMatcher {
  matches(labels: Labels | undefined): boolean
  readonly text: string
}

/** A selector's text that cannot be read; its message is what kubectl users see. */
export class LabelSelectorError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LabelSelectorError'
  }
}

type Operator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt'

interface Requirement {
  readonly key: string
  readonly operator: Operator
  readonly values: readonly string[]
}

const NO_LABELS: Labels = {}

function fits({ key, operator, values }: Requirement, labels: Labels): boolean {
  const has = Object.hasOwn(labels, key)
  const value = has ? labels[key]! : ''
  switch (operator) {
    case '=':
    case 'in':
      return has && values.includes(value)
    case '!=':
    case 'notin':
      return !has || !values.includes(value)
    case 'exists':
      return has
    case '!':
      return !has
    case 'gt':
      return has && /^-?\d+$/.test(value) && BigInt(value) > BigInt(values[0]!)
    case 'lt':
      return has && /^-?\d+$/.test(value) && BigInt(value) < BigInt(values[0]!)
  }
}

function textOf({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'exists':
      return key
    case '!':
      return `!${key}`
    case 'in':
    case 'notin':
      return `${key} ${operator} (${[...values].sort().join(',')})`
    case 'gt':
      return `${key}>${values[0]}`
    case 'lt':
      return `${key}<${values[0]}`
    default:
      return `${key}${operator}${values[0]}`
  }
}

function matcherOf(requirements: readonly Requirement[]): LabelMatcher {
  return {
    matches: (labels = NO_LABELS) => requirements.every((requirement) => fits(requirement, labels)),
    text: requirements.map(textOf).join(','),
  }
}

const NOTHING: LabelMatcher = { matches: () => false, text: '' }
export const EVERYTHING: LabelMatcher = matcherOf([])

/** A matcher of exact values, as Services and ReplicationControllers write selectors. An empty map matches everything. */
export function matcherOfMap(map: Labels): LabelMatcher {
  const keys = Object.keys(map).sort()
  return matcherOf(keys.map((key) => ({ key, operator: '=', values: [map[key]!] })))
}

const OPERATORS: Readonly<Record<string, Operator>> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' }

function requirementsOf(selector: LabelSelector): readonly Requirement[] {
  const exact = Object.entries(selector.matchLabels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]): Requirement => ({ key, operator: '=', values: [value] }))
  const others = (selector.matchExpressions ?? []).map(
    ({ key, operator, values }): Requirement => ({ key, operator: OPERATORS[operator] ?? 'in', values: values ?? [] }),
  )
  return [...exact, ...others]
}

/** The matcher of an object's selector: a missing one matches nothing, an empty one everything. */
export function labelMatcherOf(selector: LabelSelector | undefined): LabelMatcher {
  return selector === undefined ? NOTHING : matcherOf(requirementsOf(selector))
}

/** A selector as kubectl's columns print it. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  if (selector === undefined) return '<none>'
  const text = labelMatcherOf(selector).text
  return text === '' ? '<none>' : text
}

/** Splits at commas that stand outside parentheses. */
function splitTerms(text: string): readonly string[] {
  const terms: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth += 1
    else if (text[i] === ')') depth -= 1
    else if (text[i] === ',' && depth === 0) {
      terms.push(text.slice(start, i))
      start = i + 1
    }
  }
  terms.push(text.slice(start))
  return terms
}

function parseTerm(term: string): Requirement {
  const set = /^([^\s!=<>(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term)
  if (set)
    return { key: set[1]!, operator: set[2] as Operator, values: set[3]!.split(',').map((value) => value.trim()) }
  const compared = /^([^\s!=<>(),]+)\s*(==|=|!=|>|<)\s*([^\s!=<>(),]*)$/.exec(term)
  if (compared) {
    const [, key, sign, value] = compared
    const operator: Operator = sign === '!=' ? '!=' : sign === '>' ? 'gt' : sign === '<' ? 'lt' : '='
    if ((operator === 'gt' || operator === 'lt') && !/^-?\d+$/.test(value!)) {
      throw new LabelSelectorError(
        `values[0][${key}]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`,
      )
    }
    return { key: key!, operator, values: [value!] }
  }
  const exists = /^(!?)\s*([^\s!=<>(),]+)$/.exec(term)
  if (exists) return { key: exists[2]!, operator: exists[1] === '!' ? '!' : 'exists', values: [] }
  throw new LabelSelectorError(
    `unable to parse requirement: found '${term}', expected: a key, or a key with an operator and values`,
  )
}

/** Reads the text form that queries carry: `a=b,c!=d,e in (f,g),!h,i>3`. Throws LabelSelectorError. */
export function parseLabelSelector(text: string): LabelMatcher {
  if (text.trim() === '') return EVERYTHING
  const requirements = splitTerms(text).map((term) => parseTerm(term.trim()))
  for (const { key, values, operator } of requirements) {
    const [keyError] = qualifiedNameErrors(key)
    if (keyError !== undefined) throw new LabelSelectorError(`key: Invalid value: "${key}": ${keyError}`)
    if (operator === 'gt' || operator === 'lt') continue
    for (const value of values) {
      const [valueError] = labelValueErrors(value)
      if (valueError !== undefined)
        throw new LabelSelectorError(`values[0][${key}]: Invalid value: "${value}": ${valueError}`)
    }
  }
  return matcherOf(requirements)
}

/** Findings on an object's selector. */
export function validateLabelSelector(selector: LabelSelector | undefined, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    for (const text of qualifiedNameErrors(key)) errors.push(invalid(`${path}.matchLabels`, key, text))
    for (const text of labelValueErrors(value)) errors.push(invalid(`${path}.matchLabels`, value, text))
  }
  for (const [i, { key, operator, values = [] }] of (selector?.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    } else errors.push(notSupported(`${at}.operator`, operator, Object.keys(OPERATORS)))
    for (const text of qualifiedNameErrors(key ?? '')) errors.push(invalid(`${at}.key`, key, text))
    for (const [j, value] of values.entries())
      for (const text of labelValueErrors(value)) errors.push(invalid(`${at}.values[${j}]`, value, text))
  }
  return errors
}

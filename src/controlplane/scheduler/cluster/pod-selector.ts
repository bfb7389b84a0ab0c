import { type LabelMatcher, labelMatcherOf, matcherOfMap } from '../../../api/label-selector.ts'
import type { LabelSelector } from '../../../api/types/meta-v1.gen.ts'

type Labels = Readonly<Record<string, string>>

/** Selects pods by their labels, in a form that an index can file. */
export interface PodSelector {
  matches(labels: Labels): boolean
  /** Selectors of equal text select the same pods. */
  readonly text: string
  /** A label, as `anchorOf` writes it, that every selected pod has; undefined when there is none of that kind. */
  readonly anchor: string | undefined
}

const NO_LABELS: Labels = {}

export function anchorOf(key: string, value: string): string {
  return `${key}=${value}`
}

function withAnchor(matcher: LabelMatcher, anchors: readonly string[]): PodSelector {
  // A missing selector and an empty one both have no text, and select nothing and everything.
  const text = matcher.text === '' && !matcher.matches(NO_LABELS) ? '(nothing)' : matcher.text
  return { matches: matcher.matches, text, anchor: anchors.at(-1) }
}

export function podSelectorOf(selector: LabelSelector | undefined): PodSelector {
  const exact = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => anchorOf(key, value))
  const single = (selector?.matchExpressions ?? [])
    .filter(({ operator, values = [] }) => operator === 'In' && values.length === 1)
    .map(({ key, values = [] }) => anchorOf(key, values[0]!))
  return withAnchor(labelMatcherOf(selector), [...exact.sort(), ...single])
}

export function podSelectorOfMap(map: Labels): PodSelector {
  return withAnchor(
    matcherOfMap(map),
    Object.entries(map).map(([key, value]) => anchorOf(key, value)),
  )
}

/** Selects what all of these do; undefined without any. */
export function intersectionOf(selectors: readonly PodSelector[]): PodSelector | undefined {
  if (selectors.length < 2) return selectors[0]
  return {
    matches: (labels) => selectors.every((selector) => selector.matches(labels)),
    text: selectors.map(({ text }) => text).join(' & '),
    anchor: selectors.find(({ anchor }) => anchor !== undefined)?.anchor,
  }
}

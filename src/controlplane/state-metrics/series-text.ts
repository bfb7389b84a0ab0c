import type { Labels } from './state-family.ts'

/** Characters of a value: longer ones, such as what a broken program gives as a reason, are cut. */
const VALUE_MAX = 512

function escaped(given: string): string {
  const value = given.length > VALUE_MAX ? given.slice(0, VALUE_MAX) : given
  // Nearly always nothing is to be done, and this runs for each label of each line.
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
}

/** One line of the text format; a label without a value is shown as empty, as kube-state-metrics does. */
export function seriesLine(name: string, labels: Labels, value: number): string {
  let text = ''
  for (const label in labels) text += `${text === '' ? '' : ','}${label}="${escaped(labels[label] ?? '')}"`
  return `${name}{${text}} ${value}\n`
}

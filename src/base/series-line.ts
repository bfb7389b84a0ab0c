/** Characters of a label's value: longer ones, such as what a broken program gives as a reason, are cut. */
const VALUE_MAX = 512

function escaped(given: string): string {
  const value = given.length > VALUE_MAX ? given.slice(0, VALUE_MAX) : given
  // Nearly always nothing is to be done, and this runs for each label of each line.
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}

/** One line of Prometheus' text format. A label that is undefined is shown as empty. */
export function seriesLine(
  name: string,
  labels: Readonly<Record<string, string | undefined>> | undefined,
  value: number,
): string {
  let text = ''
  for (const label in labels) text += `${text === '' ? '' : ','}${label}="${escaped(labels[label] ?? '')}"`
  return text === '' ? `${name} ${number(value)}\n` : `${name}{${text}} ${number(value)}\n`
}

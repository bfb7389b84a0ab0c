/**
 * Kubernetes' variable references: `$(NAME)` becomes the variable's value, stays as it is when there is none, and
 * `$$` is a plain dollar sign, so `$$(NAME)` is the text `$(NAME)`. `onMissing` hears of every name without a variable.
 */
export function expandVariables(
  text: string,
  variables: ReadonlyMap<string, string>,
  onMissing?: (name: string) => void,
): string {
  if (!text.includes('$')) return text
  let result = ''
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (character !== '$' || i + 1 === text.length) {
      result += character
      continue
    }
    const next = text[i + 1]
    if (next === '$') {
      result += '$'
      i += 1
      continue
    }
    const end = next === '(' ? text.indexOf(')', i + 2) : -1
    if (end < 0) {
      result += character
      continue
    }
    const name = text.slice(i + 2, end)
    const value = variables.get(name)
    if (value === undefined) onMissing?.(name)
    result += value ?? `$(${name})`
    i = end
  }
  return result
}

export interface FieldRequirement {
  readonly field: string
  readonly operator: '=' | '!='
  readonly value: string
}

/** Requirements that all have to hold; none for the empty selector. */
export interface FieldMatcher {
  readonly requirements: readonly FieldRequirement[]
}

/** A field selector's text that cannot be read. */
export class FieldSelectorError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'FieldSelectorError'
  }
}

/** Splits at unescaped commas. */
function splitTerms(text: string): readonly string[] {
  const terms: string[] = []
  let term = ''
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && i + 1 < text.length) term += text[i]! + text[++i]!
    else if (text[i] === ',') {
      terms.push(term)
      term = ''
    } else term += text[i]
  }
  terms.push(term)
  return terms.filter((t) => t !== '')
}

function unescapeValue(value: string): string {
  return value.replaceAll(/\\(.?)/g, (_, c: string) => {
    if (c === '\\' || c === ',' || c === '=') return c
    throw new FieldSelectorError(`invalid escape sequence in "${value}"`)
  })
}

/** Reads `status.phase=Running,metadata.name!=x`; values may escape `\,`, `\=` and `\\`. Throws FieldSelectorError. */
export function parseFieldSelector(text: string): FieldMatcher {
  const requirements = splitTerms(text).map((term): FieldRequirement => {
    const match = /^((?:[^=!\\]|\\.)+)(!=|==|=)(.*)$/s.exec(term)
    if (match === null) throw new FieldSelectorError(`invalid selector: '${text}'; can't understand '${term}'`)
    return { field: match[1]!.trim(), operator: match[2] === '!=' ? '!=' : '=', value: unescapeValue(match[3]!) }
  })
  return { requirements }
}

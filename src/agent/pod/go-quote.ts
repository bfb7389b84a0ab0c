const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** Quotes, backslashes and what does not print: controls, and spaces other than the plain one. */
const SPECIAL = /["\\]|(?! )[\p{C}\p{Z}]/gu

/** A text in double quotes, escaped as Go's `%q` does it: that is how the downward API writes values. */
export function goQuote(text: string): string {
  return `"${text.replace(SPECIAL, escaped)}"`
}

function escaped(character: string): string {
  const short = Object.hasOwn(SHORT, character) ? SHORT[character] : undefined
  if (short !== undefined) return short
  const code = character.codePointAt(0)!
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

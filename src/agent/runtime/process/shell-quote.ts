/** A text as one word of a POSIX shell, whatever it holds: between single quotes nothing has a meaning but they themselves. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

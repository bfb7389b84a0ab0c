/** The tokens of a JSON pointer (RFC 6901); undefined for text that is none. */
export function parsePointer(pointer: unknown): readonly string[] | undefined {
  if (typeof pointer !== 'string') return undefined
  if (pointer === '') return []
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** An array index as RFC 6901 writes it, without leading zeros; undefined for anything else. */
export function parseIndex(token: string): number | undefined {
  return /^(0|[1-9]\d{0,9})$/.test(token) ? Number(token) : undefined
}

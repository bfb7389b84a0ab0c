import { createHash } from 'node:crypto'

/** A document as it is sent, with a digest that changes when it does: clients keep it for ever under that. */
export interface OpenApiText {
  readonly text: string
  /** Upper-case hexadecimal SHA-512. */
  readonly hash: string
}

export function openApiText(document: object): OpenApiText {
  const text = JSON.stringify(document)
  return { text, hash: createHash('sha512').update(text).digest('hex').toUpperCase() }
}

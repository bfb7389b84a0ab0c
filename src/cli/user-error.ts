/** Something the person at the terminal can mend: printed as one sentence, without a stack, with exit code 1. */
export class UserError extends Error {
  /** What to do next; printed on a line of its own. */
  readonly hint: string | undefined

  constructor(message: string, hint?: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'UserError'
    this.hint = hint
  }
}

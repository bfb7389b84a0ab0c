/** How a remote command ended: with an exit code, or without ever having had one. */
export type CommandOutcome =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'failed'; readonly message: string }

function status(outcome: CommandOutcome): object {
  if (outcome.kind === 'failed')
    return { metadata: {}, status: 'Failure', message: outcome.message, reason: 'InternalError', code: 500 }
  if (outcome.exitCode === 0) return { metadata: {}, status: 'Success' }
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${outcome.exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(outcome.exitCode) }] },
  }
}

/**
 * What the error stream says of the end: from version 4 of the protocol on a Status in JSON, before that a sentence, and
 * nothing when all went well.
 */
export function outcomeText(outcome: CommandOutcome, version: number): string {
  if (version >= 4) return JSON.stringify(status(outcome))
  if (outcome.kind === 'failed') return outcome.message
  return outcome.exitCode === 0 ? '' : `command terminated with exit code ${outcome.exitCode}`
}

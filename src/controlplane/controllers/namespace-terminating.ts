import { StatusError } from '../../api/status-error.ts'

/** True for the refusal of a new object by a namespace on its way out: nothing to report and nothing to try again. */
export function isNamespaceTerminating(error: unknown): boolean {
  const causes = error instanceof StatusError ? (error.details?.causes ?? []) : []
  return causes.some(({ reason }) => reason === 'NamespaceTerminating')
}

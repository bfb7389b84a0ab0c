import { type LabelMatcher, LabelSelectorError, parseLabelSelector } from '../../../api/label-selector.ts'
import { StatusError } from '../../../api/status-error.ts'

/** A label selector of a query; everything when there is none. Throws BadRequest for one that cannot be read. */
export function querySelector(query: URLSearchParams, name: string): LabelMatcher {
  try {
    return parseLabelSelector(query.get(name) ?? '')
  } catch (error) {
    if (!(error instanceof LabelSelectorError)) throw error
    throw new StatusError('BadRequest', `unable to parse requirement: ${error.message}`)
  }
}

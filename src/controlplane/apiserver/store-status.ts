import { StatusError } from '../../api/status-error.ts'
import { StoreError } from '../store/store.ts'

/** What the store's refusal means to a client; anything else is left as it is. */
export function storeStatus(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error
  switch (error.code) {
    case 'full':
      return new StatusError('InsufficientStorage', `${error.message}; reads and deletions still work`)
    case 'too-large':
      return new StatusError('RequestEntityTooLarge', error.message)
    case 'unknown':
      // Without a time to retry after: clients that see one send the same write again by themselves.
      return new StatusError('Timeout', error.message)
    case 'unavailable':
      return new StatusError('ServiceUnavailable', error.message, { retryAfterSeconds: 1 })
    default:
      return new StatusError('ServiceUnavailable', error.message)
  }
}

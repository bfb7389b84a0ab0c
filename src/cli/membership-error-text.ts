import type { MembershipError, MembershipErrorCode } from '../controlplane/membership/membership-error.ts'
import { UserError } from './user-error.ts'

const HINTS: Readonly<Record<MembershipErrorCode, string>> = {
  tokenMissing:
    'join it with --token-file: the token stands in the file `server-token` in the data directory of each of its servers',
  tokenWrong: 'the right one stands in the file `server-token` in the data directory of each of its servers',
  nothingToJoin: 'start the first server without --join, or give the address of the right etcd with --store',
  numbersTaken: 'start with fewer --nodes, or run more nodes with: wherry agent',
}

/** Why a server cannot become part of a cluster, as the person at the terminal sees it. */
export function explainedMembershipError(error: MembershipError): UserError {
  return new UserError(error.message, HINTS[error.code], { cause: error })
}

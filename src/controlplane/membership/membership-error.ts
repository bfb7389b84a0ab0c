export type MembershipErrorCode = 'tokenMissing' | 'tokenWrong' | 'nothingToJoin' | 'numbersTaken'

/** Why a server, or a node beside it, cannot become part of the cluster in a store. */
export class MembershipError extends Error {
  readonly code: MembershipErrorCode

  constructor(code: MembershipErrorCode, message: string) {
    super(message)
    this.name = 'MembershipError'
    this.code = code
  }
}

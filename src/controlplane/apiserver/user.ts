/** Who makes a request, as the authenticator found out. */
export interface User {
  readonly name: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

export const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] }
/** The in-process parts (controllers, scheduler) act as this user. */
export const CONTROL_PLANE_USER: User = {
  name: 'system:wherry-control-plane',
  groups: ['system:masters', 'system:authenticated'],
}

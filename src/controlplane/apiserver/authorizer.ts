import type { User } from './user.ts'

/** What is asked of the authorizer: the same attributes a SubjectAccessReview carries. */
export interface Attributes {
  readonly user: User
  /** API verb for resources, lower-case HTTP method for other paths. */
  readonly verb: string
  readonly resource?: {
    readonly group: string
    readonly version: string
    readonly resource: string
    readonly subresource: string
    readonly namespace: string
    readonly name: string
  }
  /** Set for requests that name no resource (`/version`, `/api`). */
  readonly path?: string
}

export interface Authorizer {
  authorize(attributes: Attributes): { readonly allowed: boolean; readonly reason: string }
}

import type { Route } from './route.ts'

/** Chooses by the server name that a TLS client asks for. */
export interface ServerNameRouter {
  /** `serverName`: in lower case; undefined when the client names none. Returns undefined to refuse. */
  route(serverName: string | undefined): Route | undefined
}

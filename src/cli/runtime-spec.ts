/** How containers run, and with what. */
export type RuntimeSpec =
  | { readonly kind: 'process' }
  /** `host` as in DOCKER_HOST. */
  | { readonly kind: 'docker'; readonly host: string }

export const RUNTIMES = ['process', 'docker'] as const
export const DEFAULT_DOCKER_HOST = 'unix:///var/run/docker.sock'

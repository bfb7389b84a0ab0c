import type { Listener } from '../table/routing-table.ts'

/** Whether a listener's address and port are held. `waiting`: there is nowhere to send connections, so they are refused. */
export type BindingState =
  | { readonly state: 'bound' | 'waiting' }
  | { readonly state: 'failed'; readonly code: string; readonly message: string; readonly attempts: number }

export interface Binding {
  readonly listener: Listener
  readonly binding: BindingState
}

/** Why a port could not be bound and what a person can do about it. */
export function bindingAdvice(listener: Listener, code: string): string {
  const { protocol, address, port } = listener
  const what = `Cannot listen on ${protocol} ${address}:${port}`
  switch (code) {
    case 'EACCES':
      return `${what}: ports below 1024 need a privilege. Either run "sysctl -w net.ipv4.ip_unprivileged_port_start=${port}" as root, or run wherry as root, or give the Service another port`
    case 'EADDRINUSE':
      return `${what}: another program listens there. End it, or give the Service another port`
    case 'EMFILE':
    case 'ENFILE':
      return `${what}: no file descriptors are left. Raise the limit (ulimit -n)`
    case 'EADDRNOTAVAIL':
      return `${what}: this machine does not have the address`
    default:
      return `${what}: ${code}`
  }
}

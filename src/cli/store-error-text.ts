import type { StoreError } from '../controlplane/store/store.ts'
import { UserError } from './user-error.ts'

/** A store's error as the person at the terminal sees it: what it is, and what to do next. */
export function explainedStoreError(error: StoreError): UserError {
  return new UserError(error.message, hintOf(error), { cause: error })
}

const CREDENTIALS = /authentication failed|user name is empty|invalid auth token|permission denied/
const CERTIFICATES = /certificate|self-signed|SSL|TLS/i

/** Whether an etcd that cannot be used is there, and says no: waiting for it changes nothing. */
export function isRefusal({ message }: StoreError): boolean {
  return CREDENTIALS.test(message) || CERTIFICATES.test(message)
}

function hintOf({ code, message }: StoreError): string | undefined {
  if (code !== 'unavailable') return undefined
  if (CREDENTIALS.test(message))
    return 'give user and password in the address: --store etcd=http://USER:PASSWORD@host:2379'
  if (CERTIFICATES.test(message))
    return "give the etcd's CA with --etcd-ca, and a client certificate with --etcd-cert and --etcd-key"
  return 'start that etcd (Debian package etcd-server), or give the address of one that runs with --store etcd=URL[,URL…]'
}

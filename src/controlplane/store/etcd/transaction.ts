import type { ITxnRequest } from 'etcd3'
import type { StoreTransaction } from '../store.ts'
import type { KeySpace } from './key-space.ts'

/** A transaction in etcd's words; a key that must not exist stands at revision 0 there, too. */
export function txnRequest({ expect, puts, deletes }: StoreTransaction, keys: KeySpace): ITxnRequest {
  const request = {
    compare: expect.map(({ key, modRevision }) => ({
      result: 'Equal',
      target: 'Mod',
      key: keys.toEtcd(key),
      mod_revision: String(modRevision),
    })),
    success: [
      ...puts.map(({ key, value }) => ({ request_put: { key: keys.toEtcd(key), value } })),
      ...deletes.map((key) => ({ request_delete_range: { key: keys.toEtcd(key) } })),
    ],
    failure: [],
  }
  return request as unknown as ITxnRequest
}

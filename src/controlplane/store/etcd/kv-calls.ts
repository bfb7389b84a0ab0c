import type * as Etcd from 'etcd3'
import type { UnaryChannel } from './unary-channel.ts'

export interface CallOptions {
  readonly deadline: number
}

/** The calls on keys and values that the store makes. */
export interface KvClient {
  range(request: Etcd.IRangeRequest, options: CallOptions): Promise<Etcd.IRangeResponse>
  txn(request: Etcd.ITxnRequest, options: CallOptions): Promise<Etcd.ITxnResponse>
  compact(request: Etcd.ICompactionRequest, options: CallOptions): Promise<Etcd.ICompactionResponse>
}

/** How etcd3 puts a call's messages into bytes and reads them. */
export interface MethodCodec {
  readonly path: string
  requestSerialize(request: object): Buffer
  responseDeserialize(bytes: Buffer): object
}

export interface KvOptions {
  readonly channel: UnaryChannel
  /** By the names of etcd's service `KV`: `Range`, `Txn`, `Compact`. */
  readonly methods: Readonly<Record<string, MethodCodec>>
  /** etcd's token; undefined without user and password. Rejects when there is none to be had. */
  readonly token: () => Promise<string | undefined>
  /** The token is no longer good. */
  readonly forgetToken: () => void
}

/** etcd's calls with the codec of etcd3 over a channel of our own. */
export function createKvClient({ channel, methods, token, forgetToken }: KvOptions): KvClient {
  const caller = (name: string) => {
    const method = methods[name]!
    return async (request: object, { deadline }: CallOptions): Promise<never> => {
      const message = method.requestSerialize(request)
      try {
        const bytes = await channel.call({ path: method.path, message, deadline, token: await token() })
        return method.responseDeserialize(bytes) as never
      } catch (error) {
        if (/invalid auth token|revision of auth store is old/.test((error as Error).message)) forgetToken()
        throw error
      }
    }
  }
  return { range: caller('Range'), txn: caller('Txn'), compact: caller('Compact') }
}

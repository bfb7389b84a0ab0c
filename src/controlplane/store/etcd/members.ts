import type * as Etcd from 'etcd3'
import { StoreError } from '../store.ts'
import type { EtcdAccess } from './etcd-access.ts'
import { type EtcdFailure, etcdFailure } from './etcd-error.ts'
import { createKvClient, type KvClient, type MethodCodec } from './kv-calls.ts'
import { UnaryChannel } from './unary-channel.ts'

type Options = NonNullable<ConstructorParameters<typeof Etcd.Etcd3>[0]>
type Policy = NonNullable<NonNullable<Options['faultHandling']>['global']>
type WatchRequest = { readonly create_request: Etcd.IWatchCreateRequest }
/** A watch's stream: requests go in, responses come out and wait for their reader. */
export interface WatchStream extends AsyncIterable<Etcd.IWatchResponse> {
  write(request: WatchRequest): void
  cancel(): void
}

/** What etcd3 does not show of its pool; its version is fixed by package-lock.json. */
interface PoolInternals {
  readonly hosts: readonly {
    getServiceClient(name: 'KV'): { readonly constructor: { readonly service: Readonly<Record<string, MethodCodec>> } }
  }[]
  readonly authenticator: {
    getMetadata(): Promise<{ get(name: string): readonly string[] }>
    invalidateMetadata(): void
  }
}

interface Member {
  readonly endpoint: string
  readonly kv: KvClient
  openWatch(): Promise<WatchStream>
  close(): void
}

/** For a call that takes no part in etcd3's own policies; they try a write again that may have happened. */
const NO_DEADLINE_GIVEN_MS = 5_000
const PAUSE_FIRST_MS = 50
const PAUSE_MAX_MS = 1_000

/** Runs a call once and as it is: no circuit breaker, no retry. */
const ONCE = { execute: async (call: (context: object) => unknown) => call({}) } as unknown as Policy

/**
 * gRPC's settings: a dead connection with a watch on it is found in 9 s. etcd hangs up on who pings more often than every
 * 5 s, or at all while no call is open. Messages may be as large as they are.
 */
const CHANNEL = {
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Only we know what may be tried again; without its own ways to do so a call costs less, too.
  'grpc.enable_retries': 0,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
}

/** One client for each endpoint (etcd3's for watches, authentication and the form of messages), so that it is ours to say which one is asked. Loads etcd3 (160 ms) on first use. */
async function createMembers({ endpoints, user, tls }: EtcdAccess): Promise<readonly Member[]> {
  const { Etcd3 } = await import('etcd3')
  class Client extends Etcd3 {
    get #internals(): PoolInternals {
      return this.pool as unknown as PoolInternals
    }

    /** How the messages of the service `KV` are written and read. Nothing connects for it. */
    codecs(): Readonly<Record<string, MethodCodec>> {
      const { service } = this.#internals.hosts[0]!.getServiceClient('KV').constructor
      return Object.fromEntries(Object.values(service).map((method) => [method.path.replace(/^.*\//, ''), method]))
    }

    async token(): Promise<string | undefined> {
      return (await this.#internals.authenticator.getMetadata()).get('token')[0]
    }

    forgetToken(): void {
      this.#internals.authenticator.invalidateMetadata()
    }

    /** A stream that a member without a leader ends, instead of keeping it open and silent. */
    openWatch(): Promise<WatchStream> {
      return this.pool.withConnection('Watch', ({ client, metadata }) => {
        const own = metadata.clone()
        own.set('hasleader', 'true')
        const stream = (client as unknown as { watch(metadata: unknown, options: object): WatchStream }).watch(own, {})
        // Whoever reads the stream sees its errors; one that comes when nobody reads any more is nobody's.
        ;(stream as unknown as NodeJS.EventEmitter).on('error', () => undefined)
        return stream as never
      }) as Promise<WatchStream>
    }
  }
  return endpoints.map((endpoint) => {
    const client = new Client({
      hosts: [endpoint],
      grpcOptions: CHANNEL,
      faultHandling: { host: () => ONCE, global: ONCE },
      defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + NO_DEADLINE_GIVEN_MS }),
      ...(user === undefined ? {} : { auth: { username: user.name, password: user.password } }),
      ...(tls === undefined
        ? {}
        : { credentials: { rootCertificate: tls.ca, privateKey: tls.key, certChain: tls.cert } as never }),
    })
    const channel = new UnaryChannel(endpoint, tls)
    const kv = createKvClient({
      channel,
      methods: client.codecs(),
      token: user === undefined ? async () => undefined : () => client.token(),
      forgetToken: () => client.forgetToken(),
    })
    return {
      endpoint,
      kv,
      openWatch: () => client.openWatch(),
      close() {
        channel.close()
        client.close()
      },
    }
  })
}

/** A call that failed at every member that was tried; `failure` is what the last one said. */
export class EtcdCallError extends Error {
  readonly failure: EtcdFailure

  constructor(failure: EtcdFailure, cause: unknown) {
    super(failure.reason, { cause })
    this.name = 'EtcdCallError'
    this.failure = failure
  }
}

export interface CallLimits {
  /** For one try at one member. */
  readonly attemptMs: number
  /** No further try begins after this. */
  readonly totalMs: number
}

/**
 * The members of an etcd cluster. Calls stay with the one that answered last and move on when it does not. A read is
 * tried again whatever happened to it; a write only when it has certainly not happened.
 */
export class Members {
  readonly #members: readonly Member[]
  #current = 0
  #closed = false

  private constructor(members: readonly Member[]) {
    this.#members = members
  }

  static async open(access: EtcdAccess): Promise<Members> {
    return new Members(await createMembers(access))
  }

  /** For messages: every endpoint, without user or password. */
  get names(): string {
    return this.#members.map(({ endpoint }) => endpoint).join(', ')
  }

  /** Throws EtcdCallError, or StoreError `closed`. */
  read<T>(limits: CallLimits, call: (kv: KvClient, options: { deadline: number }) => Promise<T>): Promise<T> {
    return this.#try(limits, call, true)
  }

  /** Throws EtcdCallError, or StoreError `closed`. */
  write<T>(limits: CallLimits, call: (kv: KvClient, options: { deadline: number }) => Promise<T>): Promise<T> {
    return this.#try(limits, call, false)
  }

  /** A new stream at the current member; one that does not get it moves on to the next member for the next try. */
  async openWatch(): Promise<WatchStream> {
    return this.#members[this.#current]!.openWatch()
  }

  /** The current member does not serve: others are asked from now on. */
  moveOn(): void {
    this.#current = (this.#current + 1) % this.#members.length
  }

  close(): void {
    this.#closed = true
    for (const member of this.#members) member.close()
  }

  async #try<T>(
    { attemptMs, totalMs }: CallLimits,
    call: (kv: KvClient, options: { deadline: number }) => Promise<T>,
    isRead: boolean,
  ): Promise<T> {
    const begun = performance.now()
    for (let tries = 1; ; tries++) {
      if (this.#closed) throw new StoreError('closed', 'the store is closed')
      const asked = this.#current
      try {
        return await call(this.#members[asked]!.kv, { deadline: Date.now() + attemptMs })
      } catch (error) {
        if (this.#closed && !isRead) throw new EtcdCallError(etcdFailure(error), error)
        const failure = etcdFailure(error)
        const mayTryAgain = failure.kind === 'again' || (isRead && failure.kind === 'unclear')
        // Only the first of several calls that fail at a member moves on.
        if ((failure.kind === 'again' || failure.kind === 'unclear') && this.#current === asked) this.moveOn()
        const spent = performance.now() - begun
        if (!mayTryAgain || spent >= totalMs) throw new EtcdCallError(failure, error)
        // Another member is asked at once; after a round of them all there is a pause.
        const round = Math.floor(tries / this.#members.length)
        if (tries % this.#members.length === 0)
          await pause(Math.min(PAUSE_FIRST_MS * 2 ** Math.min(round, 10), PAUSE_MAX_MS, totalMs - spent))
      }
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

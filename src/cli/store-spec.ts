import { resolve } from 'node:path'
import { UserError } from './user-error.ts'

/** An etcd cluster and where in it the objects stand. */
export interface EtcdSpec {
  readonly kind: 'etcd'
  /** All of one scheme, without user and password. */
  readonly endpoints: readonly string[]
  readonly user?: { readonly name: string; readonly password: string }
  /** What every key begins with; kube-apiserver's `/registry` unless said otherwise. */
  readonly prefix: string
  /** PEM files. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Where a cluster's objects are kept. */
export type StoreSpec = { readonly kind: 'sqlite' } | { readonly kind: 'memory' } | EtcdSpec

/** The flags beside `--store` that say more about an etcd. */
export interface StoreFlags {
  readonly storePrefix?: string
  readonly etcdCa?: string
  readonly etcdCert?: string
  readonly etcdKey?: string
}

export const DEFAULT_PREFIX = '/registry'
const EXAMPLE = 'e.g. --store etcd=http://127.0.0.1:2379'

/** Reads `sqlite`, `memory` or `etcd=URL[,URL…]`. Throws UserError. */
export function parseStore(text: string, flags: StoreFlags = {}): StoreSpec {
  if (text.startsWith('etcd=')) return etcdSpec(text.slice('etcd='.length), flags)
  const stray = Object.entries(flags).find(([, value]) => value !== undefined)
  if (stray !== undefined) {
    const flag = stray[0].replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new UserError(`--${flag} is about an etcd, but the store is ${text}`, `leave it out, or give one, ${EXAMPLE}`)
  }
  if (text === 'sqlite' || text === 'memory') return { kind: text }
  throw new UserError(`there is no store "${text}"`, `--store takes sqlite, memory or etcd=URL[,URL…], ${EXAMPLE}`)
}

function etcdSpec(list: string, { storePrefix, etcdCa, etcdCert, etcdKey }: StoreFlags): EtcdSpec {
  const urls = list.split(',').map(parseEndpoint)
  if (new Set(urls.map(({ protocol }) => protocol)).size > 1)
    throw new UserError('all addresses of an etcd are http:// or all are https://', EXAMPLE)
  const named = urls.find(({ username }) => username !== '')
  if (urls[0]!.protocol === 'http:' && (etcdCa ?? etcdCert ?? etcdKey) !== undefined)
    throw new UserError('certificates are given for an etcd at http://', 'write https:// if it listens with TLS')
  if ((etcdCert === undefined) !== (etcdKey === undefined))
    throw new UserError('a client certificate goes with its key', 'give both --etcd-cert and --etcd-key, or neither')
  return {
    kind: 'etcd',
    endpoints: urls.map(({ protocol, host }) => `${protocol}//${host}`),
    prefix: parsePrefix(storePrefix ?? DEFAULT_PREFIX),
    ...(named === undefined
      ? {}
      : { user: { name: decodeURIComponent(named.username), password: decodeURIComponent(named.password) } }),
    ...(etcdCa === undefined ? {} : { ca: resolve(etcdCa) }),
    ...(etcdCert === undefined ? {} : { cert: resolve(etcdCert) }),
    ...(etcdKey === undefined ? {} : { key: resolve(etcdKey) }),
  }
}

function parseEndpoint(text: string): URL {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || !['', '/'].includes(url.pathname))
    throw new UserError(`"${withoutPassword(text)}" is no address of an etcd`, EXAMPLE)
  if (url.port === '') url.port = '2379'
  return url
}

function withoutPassword(text: string): string {
  return text.replace(/\/\/[^@/]*@/, '//…@')
}

function parsePrefix(text: string): string {
  if (!/^(\/[\w.-]+)+$/.test(text))
    throw new UserError(
      `--store-prefix ${text} is no place for keys`,
      'it begins with / and ends without, e.g. /registry',
    )
  return text
}

/** For people and for the record of the cluster: no user, no password. */
export function storeText(spec: StoreSpec): string {
  return spec.kind === 'etcd' ? `etcd=${spec.endpoints.join(',')}` : spec.kind
}

import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProxyRole } from './l7-roles.ts'
import { isInstalled, PROXY_CORE, pinned } from './pinned-process.ts'

/** Where a proxy stands, and with what. */
export interface Place {
  readonly port: number
  readonly backend: number
  /** More endpoints than `backend`; proxies that know but one have none of them. */
  readonly otherBackends?: readonly number[]
  /** HTTP/2 without TLS on both sides, for gRPC. Default: HTTP/1.1. */
  readonly protocol?: 'h2c'
  readonly directory: string
  /** It ends TLS with these PEM files. */
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string }
}

export interface Peer {
  readonly name: string
  /** undefined: it is not installed, or cannot do that. */
  start(place: Place): ChildProcess | undefined
}

/** Nothing goes through files, as it would by default from 16 KiB of a body on. */
const HTTP = `access_log off; keepalive_requests 100000000; keepalive_timeout 3600; client_body_temp_path body;
  client_max_body_size 0; client_body_buffer_size 128k; proxy_max_temp_file_size 0;
  proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;`

/** One worker, without a master. */
export function nginx(core: string, http: string, directory: string, name: string): ChildProcess {
  const file = join(directory, `${name}.conf`)
  writeFileSync(
    file,
    `daemon off; master_process off; worker_processes 1; pid ${name}.pid; error_log stderr crit;
events { worker_connections 16384; }
http { ${HTTP}
${http} }`,
  )
  return pinned(core, 'nginx', ['-p', directory, '-c', file], directory)
}

type Role = 'wherry' | 'undici' | 'http-proxy' | 'http-proxy-3' | 'fastify'

function self(role: Role, options: ProxyRole, directory: string): ChildProcess {
  const file = join(import.meta.dirname, 'l7.bench.ts')
  // What http-proxy is warned of is nothing that a reader of the figures could do anything about.
  return pinned(
    PROXY_CORE,
    process.execPath,
    ['--no-deprecation', file, '--serve', role, JSON.stringify(options)],
    directory,
  )
}

const wherry = ({ directory, ...place }: Place, pipelining: ProxyRole['pipelining']): ChildProcess =>
  self('wherry', { ...place, pipelining }, directory)

const backendsOf = ({ backend, otherBackends = [] }: Place): readonly number[] => [backend, ...otherBackends]

/** A proxy in TypeScript or JavaScript that knows one backend and does no TLS here. */
const onNode =
  (role: Role, packageName?: string) =>
  ({ port, backend, otherBackends = [], protocol, directory, tls }: Place): ChildProcess | undefined => {
    if (tls !== undefined || protocol !== undefined || otherBackends.length > 0) return undefined
    try {
      if (packageName !== undefined) import.meta.resolve(packageName)
    } catch {
      return undefined
    }
    return self(role, { port, backend }, directory)
  }

function nginxProxy(place: Place): ChildProcess | undefined {
  if (!isInstalled('nginx')) return undefined
  const { port, directory, tls, protocol } = place
  const servers = backendsOf(place).map((backend) => `server 127.0.0.1:${backend};`)
  const listen = `listen 127.0.0.1:${port} backlog=4096${tls === undefined ? '' : ' ssl'}${protocol === undefined ? '' : ' http2'};`
  const certificate =
    tls === undefined ? '' : `ssl_certificate ${tls.certificateFile}; ssl_certificate_key ${tls.keyFile};`
  const pass =
    protocol === undefined
      ? 'proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection "";'
      : 'grpc_pass grpc://b;'
  return nginx(
    PROXY_CORE,
    `upstream b { ${servers.join(' ')} keepalive 128; keepalive_requests 100000000; }
     server { ${listen} ${certificate} location / { ${pass} } }`,
    directory,
    `proxy-${port}`,
  )
}

function haproxy(place: Place, mode: 'http' | 'tcp'): ChildProcess | undefined {
  if (!isInstalled('haproxy')) return undefined
  const { port, directory, tls, protocol } = place
  const speaks = protocol === undefined || mode === 'tcp' ? '' : ' proto h2'
  const file = join(directory, `haproxy-${mode}-${port}.cfg`)
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 9000
defaults
  mode ${mode}
${mode === 'http' ? '  http-reuse always\n' : ''}  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend f
  bind 127.0.0.1:${port}${tls === undefined ? '' : ` ssl crt ${tls.certificateFile}.all`}${speaks}
  default_backend b
backend b
${backendsOf(place)
  .map((backend, i) => `  server s${i} 127.0.0.1:${backend}${speaks}\n`)
  .join('')}`,
  )
  return pinned(PROXY_CORE, 'haproxy', ['-db', '-f', file], directory)
}

function caddy(place: Place): ChildProcess | undefined {
  if (!isInstalled('caddy')) return undefined
  const { port, directory, tls, protocol } = place
  const file = join(directory, `caddy-${port}.caddyfile`)
  const transport = `keepalive 1h
      keepalive_idle_conns 256
      keepalive_idle_conns_per_host 256${protocol === undefined ? '' : '\n      versions h2c'}`
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
  servers {
    protocols h1 h2 h2c
  }
  log default {
    level ERROR
  }
}
${tls === undefined ? 'http' : 'https'}://:${port} {
  bind 127.0.0.1
${tls === undefined ? '' : `  tls ${tls.certificateFile} ${tls.keyFile}\n`}  reverse_proxy ${backendsOf(place)
      .map((backend) => `127.0.0.1:${backend}`)
      .join(' ')} {
    transport http {
      ${transport}
    }
  }
}
`.replaceAll('  ', '\t'),
  )
  // It saves what it was given in the home of its user, but for this.
  const home = [`XDG_CONFIG_HOME=${directory}`, `XDG_DATA_HOME=${directory}`]
  return pinned(PROXY_CORE, 'env', [...home, 'caddy', 'run', '--adapter', 'caddyfile', '--config', file], directory)
}

export const PEERS: readonly Peer[] = [
  { name: 'nginx', start: nginxProxy },
  { name: 'haproxy', start: (place) => haproxy(place, 'http') },
  { name: 'haproxy, TCP mode', start: (place) => haproxy(place, 'tcp') },
  { name: 'caddy', start: caddy },
  { name: 'wherry', start: (place) => wherry(place, undefined) },
  { name: 'wherry, connections not shared', start: (place) => wherry(place, { depthMax: 1 }) },
  { name: 'http + undici', start: onNode('undici') },
  { name: 'http-proxy', start: onNode('http-proxy', 'http-proxy') },
  { name: 'http-proxy-3', start: onNode('http-proxy-3', 'http-proxy-3') },
  { name: '@fastify/http-proxy', start: onNode('fastify', '@fastify/http-proxy') },
]

import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProxyRole } from './l7-roles.ts'
import { isInstalled, PROXY_CORE, pinned } from './pinned-process.ts'

/** Where a proxy stands, and with what. */
export interface Place {
  readonly port: number
  readonly backend: number
  readonly directory: string
  /** It ends TLS with these PEM files. */
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string }
}

export interface Peer {
  readonly name: string
  /** undefined: it is not installed, or cannot do that. */
  start(place: Place): ChildProcess | undefined
}

const HTTP = `access_log off; keepalive_requests 100000000; keepalive_timeout 3600; client_body_temp_path body;
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

function self(role: 'wherry' | 'undici' | 'http-proxy', options: ProxyRole, directory: string): ChildProcess {
  const file = join(import.meta.dirname, 'l7.bench.ts')
  return pinned(PROXY_CORE, process.execPath, [file, '--serve', role, JSON.stringify(options)], directory)
}

const wherry = (place: Place, pipelining: ProxyRole['pipelining']): ChildProcess => {
  const { port, backend, directory, tls } = place
  const options = {
    port,
    backend,
    ...(pipelining === undefined ? {} : { pipelining }),
    ...(tls === undefined ? {} : { tls }),
  }
  return self('wherry', options, directory)
}

export const PEERS: readonly Peer[] = [
  {
    name: 'nginx',
    start({ port, backend, directory, tls }) {
      if (!isInstalled('nginx')) return undefined
      const certificate =
        tls === undefined ? '' : `ssl_certificate ${tls.certificateFile}; ssl_certificate_key ${tls.keyFile};`
      return nginx(
        PROXY_CORE,
        `upstream b { server 127.0.0.1:${backend}; keepalive 128; keepalive_requests 100000000; }
         server { listen 127.0.0.1:${port} backlog=4096${tls === undefined ? '' : ' ssl'}; ${certificate}
           location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
        directory,
        `proxy-${port}`,
      )
    },
  },
  {
    name: 'haproxy',
    start({ port, backend, directory, tls }) {
      if (!isInstalled('haproxy')) return undefined
      const file = join(directory, `haproxy-${port}.cfg`)
      writeFileSync(
        file,
        `global
  nbthread 1
  maxconn 9000
defaults
  mode http
  http-reuse always
  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend f
  bind 127.0.0.1:${port}${tls === undefined ? '' : ` ssl crt ${tls.certificateFile}.all`}
  default_backend b
backend b
  server s 127.0.0.1:${backend}
`,
      )
      return pinned(PROXY_CORE, 'haproxy', ['-db', '-f', file], directory)
    },
  },
  { name: 'wherry', start: (place) => wherry(place, undefined) },
  { name: 'wherry, connections not shared', start: (place) => wherry(place, { depthMax: 1 }) },
  {
    name: 'http + undici',
    start: ({ port, backend, directory, tls }) =>
      tls === undefined ? self('undici', { port, backend }, directory) : undefined,
  },
  {
    name: 'http-proxy 1.18',
    start({ port, backend, directory, tls }) {
      try {
        import.meta.resolve('http-proxy')
      } catch {
        return undefined
      }
      return tls === undefined ? self('http-proxy', { port, backend }, directory) : undefined
    },
  },
]

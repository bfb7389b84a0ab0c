import { namesIn } from '../node-path.ts'
import { NodeRequestError } from '../node-request-error.ts'

/** Which streams a client wants of a command. */
export interface StreamChoice {
  readonly stdin: boolean
  readonly stdout: boolean
  /** Never together with a terminal, which has one output only. */
  readonly stderr: boolean
  readonly tty: boolean
}

export type StreamRequest =
  | {
      readonly kind: 'exec' | 'attach'
      readonly namespace: string
      readonly pod: string
      readonly container: string
      /** Empty for attach. */
      readonly command: readonly string[]
      readonly streams: StreamChoice
    }
  | {
      readonly kind: 'portForward'
      readonly namespace: string
      readonly pod: string
      /** Only old WebSocket clients name the ports here. */
      readonly ports: readonly number[]
    }

const PORTS_MAX = 32

function chosen(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)
  return value === '1' || value === 'true'
}

/** A port of a pod; throws NodeRequestError. */
export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
    throw new NodeRequestError(400, `"${text}" is not a port: 1 to 65535`)
  return port
}

/**
 * Reads `/exec/<namespace>/<pod>/<container>?command=…&input=1&output=1&error=1&tty=1`, `/attach/…` of the same form and
 * `/portForward/<namespace>/<pod>?port=…`, as the kubelet's API has them. Throws NodeRequestError.
 */
export function parseStreamRequest(url: string): StreamRequest {
  const { pathname, searchParams: query } = new URL(url, 'https://node')
  const kind = pathname.slice(1, pathname.indexOf('/', 1))
  const names = namesIn(pathname)
  const [namespace, pod, container] = names
  if (kind === 'portForward' && names.length === 2) {
    const ports = query.getAll('port').map(parsePort)
    if (ports.length > PORTS_MAX) throw new NodeRequestError(400, `at most ${PORTS_MAX} ports`)
    return { kind, namespace: namespace!, pod: pod!, ports }
  }
  if ((kind !== 'exec' && kind !== 'attach') || names.length !== 3) throw new NodeRequestError(404, 'page not found')
  const tty = chosen(query, 'tty')
  const streams: StreamChoice = {
    stdin: chosen(query, 'input'),
    stdout: chosen(query, 'output'),
    stderr: chosen(query, 'error') && !tty,
    tty,
  }
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw new NodeRequestError(400, 'you must specify at least 1 of stdin, stdout, stderr')
  const command = kind === 'exec' ? query.getAll('command') : []
  if (kind === 'exec' && (command[0] ?? '') === '') throw new NodeRequestError(400, 'you must specify a command')
  return { kind, namespace: namespace!, pod: pod!, container: container!, command, streams }
}

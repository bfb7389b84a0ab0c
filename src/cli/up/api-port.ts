import { createServer } from 'node:net'
import { UserError } from '../user-error.ts'

const DEFAULT_API_PORT = 6_443

function listenOnce(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      const chosen = typeof address === 'object' && address !== null ? address.port : undefined
      server.close(() => resolve(chosen))
    })
  })
}

/**
 * The port of the API server: the one asked for, or the last one (kubeconfigs point at it), or 6443, or a free one.
 * A port that was asked for or promised and is taken is an error, never silently another one.
 */
export async function chooseApiPort(
  asked: number | undefined,
  last: number | undefined,
  host = '127.0.0.1',
): Promise<number> {
  const promised = asked === 0 ? undefined : (asked ?? last)
  if (promised !== undefined) {
    if ((await listenOnce(host, promised)) !== undefined) return promised
    throw new UserError(
      `port ${promised} on ${host} is taken by another program`,
      'end it, or give another port with --api-port (0 takes a free one)',
    )
  }
  const usual = asked === 0 ? undefined : await listenOnce(host, DEFAULT_API_PORT)
  const port = usual ?? (await listenOnce(host, 0))
  if (port === undefined) throw new UserError(`no free port on ${host} for the API server`)
  return port
}

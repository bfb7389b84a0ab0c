import { createServer } from 'node:net'
import { UserError } from '../user-error.ts'

const DEFAULT_API_PORT = 6_443

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
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
export async function chooseApiPort(asked: number | undefined, last: number | undefined): Promise<number> {
  const promised = asked === 0 ? undefined : (asked ?? last)
  if (promised !== undefined) {
    if ((await listenOnce(promised)) !== undefined) return promised
    throw new UserError(
      `port ${promised} on 127.0.0.1 is taken by another program`,
      'end it, or give another port with --api-port (0 takes a free one)',
    )
  }
  const usual = asked === 0 ? undefined : await listenOnce(DEFAULT_API_PORT)
  const port = usual ?? (await listenOnce(0))
  if (port === undefined) throw new UserError('no free port on 127.0.0.1 for the API server')
  return port
}

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'
import { DockerEngine } from '../../../../src/agent/runtime/docker/docker-engine.ts'

export interface FakeEngine {
  readonly engine: DockerEngine
  readonly host: string
  /** `GET /path?query` of every request, in order. */
  readonly asked: readonly string[]
  answer: (request: IncomingMessage, response: ServerResponse) => void
  upgrade: (request: IncomingMessage, socket: Duplex) => void
}

/** Something on a Unix socket that answers as a test wants it to. */
export async function startFakeEngine(t: TestContext): Promise<FakeEngine> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-fake-engine-'))
  const path = join(directory, 'docker.sock')
  const asked: string[] = []
  const note = ({ method, url }: IncomingMessage): void => void asked.push(`${method} ${url}`.replace(/[?&]$/, ''))
  const server = createServer((request, response) => {
    note(request)
    fake.answer(request, response)
  })
  server.on('upgrade', (request, socket) => {
    note(request)
    fake.upgrade(request, socket)
  })
  server.listen(path)
  await once(server, 'listening')
  const fake: FakeEngine = {
    engine: await DockerEngine.open(`unix://${path}`),
    host: `unix://${path}`,
    asked,
    answer: (_request, response) => void response.end('{}'),
    upgrade: (_request, socket) => void socket.destroy(),
  }
  t.after(() => {
    server.close()
    server.closeAllConnections()
    rmSync(directory, { recursive: true })
  })
  return fake
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

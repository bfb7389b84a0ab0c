import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

/** Why tests on a real registry cannot run here; undefined when they can. */
export const REGISTRY_MISSING: string | undefined =
  spawnSync('docker-registry', ['--version']).error === undefined
    ? undefined
    : 'needs docker-registry (Debian package docker-registry)'

export const REGISTRY_USER = { username: 'someone', password: 'secret' }
/** bcrypt of the password. */
const HTPASSWD = `${REGISTRY_USER.username}:$2b$04$g4WlNiFsITEMJLKLAL6we.sad7Dxb3obS2lXyLOtQ6gO7o8WACHsS\n`

export interface TestRegistry {
  /** `localhost:port`, as images are named. */
  readonly host: string
  close(): void
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { readonly port: number }
      server.close(() => resolve(port))
    })
  })
}

/** A registry on loopback, open to everybody or to `REGISTRY_USER` alone. */
export async function startRegistry(options: { readonly private: boolean }): Promise<TestRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-registry-'))
  const port = await freePort()
  const host = `localhost:${port}`
  writeFileSync(join(directory, 'htpasswd'), HTPASSWD)
  const auth = options.private ? `auth: { htpasswd: { realm: test, path: ${directory}/htpasswd } }` : ''
  writeFileSync(
    join(directory, 'config.yml'),
    `version: 0.1\nstorage: { filesystem: { rootdirectory: ${directory}/data } }\nhttp: { addr: '127.0.0.1:${port}' }\n${auth}\n`,
  )
  const log = openSync(join(directory, 'log'), 'a')
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: ['ignore', log, log] })
  const close = (): void => {
    process.removeListener('exit', close)
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 3, retryDelay: 100 })
  }
  process.once('exit', close)
  try {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(readFileSync(join(directory, 'log'), 'utf8').slice(-2_000))
      const { status } = await fetch(`http://${host}/v2/`)
      return status === (options.private ? 401 : 200) ? true : undefined
    }, 20_000)
  } catch (error) {
    close()
    throw error
  }
  return { host, close }
}

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const PROGRAMS = [
  ['nginx', '-v'],
  ['haproxy', '-v'],
  ['caddy', 'version'],
  ['wrk', '-v'],
] as const
const PACKAGES = ['undici', 'http-proxy', 'http-proxy-3', 'fastify', '@fastify/http-proxy', '@grpc/grpc-js'] as const

/** Of wherry, of Node and of what it is compared with; what is not installed is not in it. */
export function peerVersions(): Readonly<Record<string, string>> {
  const versions: Record<string, string> = {
    wherry: packageVersion('package.json') ?? 'unknown',
    node: process.versions.node,
  }
  for (const [program, flag] of PROGRAMS) {
    const { stdout, stderr, error } = spawnSync(program, [flag], { encoding: 'utf8' })
    const version = /\d+(\.\d+)+\S*/.exec(`${stdout}${stderr}`)?.[0]
    if (error === undefined && version !== undefined) versions[program] = version
  }
  for (const name of PACKAGES) {
    const version = packageVersion(`node_modules/${name}/package.json`)
    if (version !== undefined) versions[name] = version
  }
  return versions
}

function packageVersion(file: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as { readonly version: string }).version
  } catch {
    return undefined
  }
}

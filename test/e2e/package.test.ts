import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = new URL('../../', import.meta.url).pathname

test('npm pack gives a tarball that runs as npx wherry up', async () => {
  const work = mkdtempSync(join(tmpdir(), 'wherry-pack-'))
  try {
    await run('npm', ['run', '-s', 'build'], { cwd: ROOT })
    const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', work], {
      cwd: ROOT,
    })
    await run('npm', ['init', '-y'], { cwd: work })
    await run(
      'npm',
      ['install', '--no-audit', '--no-fund', '--prefer-offline', join(work, stdout.trim().split('\n').at(-1)!)],
      { cwd: work },
    )
    assert.ok(!existsSync(join(work, 'node_modules/node')), 'the package brings no Node of its own')

    const child = spawn('npx', ['wherry', 'up', '--data-dir', join(work, 'data'), '--api-port', '0'], {
      cwd: work,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    for (let i = 0; i < 300 && !text.includes('Ready in') && child.exitCode === null; i++)
      await new Promise((resolve) => setTimeout(resolve, 100))
    process.kill(-child.pid!, 'SIGINT')
    await ended
    assert.match(text, /Ready in/)
    assert.match(text, /Stopped\./)
  } finally {
    rmSync(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
})

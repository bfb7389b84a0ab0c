import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { eventually } from '../harness/eventually.ts'
import { startHttpLoad } from '../harness/http-load.ts'
import { runWherry, WHERRY } from '../harness/wherry.ts'
import { createCertificates } from '../unit/proxy/l7/tls/certificates.ts'

const run = promisify(execFile)
const WITHIN_MS = 20_000

interface Program {
  readonly process: ChildProcess
  /** Where it listens. */
  readonly url: string
  readonly admin: string
  /** All that it has printed. */
  output(): string
}

/** An HTTP server that answers with its name. */
async function startBackend(t: TestContext, name: string): Promise<string> {
  const server = createServer((_request, response) => response.end(name))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function startProgram(t: TestContext, args: readonly string[]): Promise<Program> {
  const child = spawn(process.execPath, [WHERRY, 'proxy', ...args, '--admin', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const find = (pattern: RegExp): Promise<string> =>
    eventually(() => pattern.exec(output)?.[1], WITHIN_MS, `${pattern} in ${JSON.stringify(output)}`)
  const url = await find(/listening on (http:\S+)/)
  const admin = await find(/metrics on (http:\S+)\/metrics/)
  return { process: child, url, admin, output: () => output }
}

function scratch(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-proxy-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

function writeConfig(file: string, endpoints: readonly string[], more: object = {}, backend: object = {}): void {
  writeFileSync(
    file,
    stringify({
      listeners: [{ name: 'web', address: '127.0.0.1:0' }],
      routes: [{ backends: ['web'] }],
      backends: { web: { endpoints, ...backend } },
      ...more,
    }),
  )
}

const said = (program: Program, pattern: RegExp, times = 1): Promise<true> =>
  eventually(
    () => (program.output().split(pattern).length > times ? true : undefined),
    WITHIN_MS,
    `${pattern} in ${program.output()}`,
  )

/** The sum of a counter's samples. */
async function counted(program: Program, name: string): Promise<number> {
  const text = await (await fetch(`${program.admin}/metrics`)).text()
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))]
  return values.reduce((sum, [, value]) => sum + Number(value), 0)
}

const pidsOf = async (program: Program): Promise<readonly number[]> => {
  const status = (await (await fetch(`${program.admin}/status`)).json()) as { workers: readonly { pid: number }[] }
  return status.workers.map(({ pid }) => pid)
}

async function ask(url: string, headers: Record<string, string> = {}): Promise<Response & { readonly body_: string }> {
  // A connection of its own, so that any of the workers may get it.
  const response = await fetch(url, { headers: { ...headers, connection: 'close' } })
  return Object.assign(response, { body_: await response.text() })
}

/** One request on a TLS connection of its own. */
function askSecurely(port: number, ca: string, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', ca, servername, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.on('end', () => resolve(text))
    })
    asked.on('error', reject)
    asked.end()
  })
}

describe('wherry proxy', () => {
  it('--check tells every mistake with its path, and what is right', async (t) => {
    const file = join(scratch(t), 'routes.yaml')
    writeFileSync(
      file,
      'listeners: [127.0.0.1:8080]\nbackends: {web: {endpoints: [127.0.0.1:1]}}\nroutes:\n- backends: [{name: web, weight: -1}]\n- backends: [wep]\n',
    )
    const bad = await runWherry(['proxy', '--config', file, '--check'])
    assert.equal(bad.code, 1)
    assert.match(bad.stderr, /holds 2 mistakes:/)
    assert.match(bad.stderr, /^ {2}routes\[0\]\.backends\[0\]\.weight: must be a number from 0 to/m)
    assert.match(bad.stderr, /^ {2}routes\[1\]\.backends\[0\]: there is no backend "wep"; there are web$/m)
    writeFileSync(file, 'listeners: [a\n')
    assert.match((await runWherry(['proxy', '--config', file, '--check'])).stderr, /is no valid YAML: .*line 2/)
    const example = new URL('../../examples/routes.yaml', import.meta.url).pathname
    const good = await runWherry(['proxy', '--config', example, '--check'])
    assert.equal(good.code, 0, good.stderr)
    assert.match(good.stdout, /is right: 3 listeners, 7 routes, 6 backends with 14 endpoints/)
  })

  for (const workers of ['1', '2']) {
    it(`takes a new file over under load without losing a request (${workers} workers)`, async (t) => {
      const file = join(scratch(t), 'routes.yaml')
      const [a, b] = [await startBackend(t, 'a'), await startBackend(t, 'b')]
      writeConfig(file, [a])
      const program = await startProgram(t, ['--config', file, '--workers', workers])
      const kept = startHttpLoad([program.url], { clients: 8, keepAlive: true, pauseMs: 1 })
      const fresh = startHttpLoad([program.url], { clients: 2, keepAlive: false, pauseMs: 1 })
      writeConfig(file, [a, b])
      await said(program, /configuration 2 holds/)
      // Another algorithm makes another set of endpoints of it.
      writeConfig(file, [b], {}, { balance: 'round-robin' })
      await said(program, /configuration 3 holds/)
      assert.equal((await ask(program.url)).body_, 'b')
      writeFileSync(file, 'listeners: []\n')
      await said(program, /stays as it was: [\s\S]*listeners: must be a list/)
      assert.equal((await ask(program.url)).body_, 'b')
      writeConfig(file, [a])
      program.process.kill('SIGHUP')
      await said(program, /configuration [45] holds/)
      assert.equal((await ask(program.url)).body_, 'a')
      const reports = [await kept.stop(), await fresh.stop()]
      for (const { ok, failures, bodies } of reports) {
        assert.deepEqual(failures, [])
        assert.ok(ok > 20, `${ok} requests`)
        assert.ok(bodies.has('a') && bodies.has('b'))
      }
    })
  }

  it('tells what cannot be listened on, and goes on as before', async (t) => {
    const file = join(scratch(t), 'routes.yaml')
    const a = await startBackend(t, 'a')
    writeConfig(file, [a])
    const program = await startProgram(t, ['--config', file])
    writeConfig(file, [a], { listeners: [{ name: 'web', address: '127.0.0.1:0' }, a] })
    await said(program, /stays as it was: 127\.0\.0\.1:\d+ is taken by another program/)
    assert.equal((await ask(program.url)).body_, 'a')
  })

  for (const workers of ['1', '2']) {
    it(`is replaced on SIGUSR2 without losing a request (${workers} workers)`, async (t) => {
      const file = join(scratch(t), 'routes.yaml')
      writeConfig(file, [await startBackend(t, 'a')])
      const program = await startProgram(t, ['--config', file, '--workers', workers])
      const load = startHttpLoad([program.url], { clients: 8, keepAlive: true, pauseMs: 1 })
      program.process.kill('SIGUSR2')
      const successor = Number(
        await eventually(() => /process (\d+) has taken over/.exec(program.output())?.[1], WITHIN_MS, program.output()),
      )
      t.after(() => {
        try {
          process.kill(successor, 'SIGKILL')
        } catch {
          // It has ended, as it was told.
        }
      })
      const [code] = await once(program.process, 'exit')
      assert.equal(code, 0, program.output())
      assert.equal((await ask(program.url)).body_, 'a')
      const { ok, failures } = await load.stop()
      assert.deepEqual(failures, [])
      assert.ok(ok > 20, `${ok} requests`)
      process.kill(successor, 'SIGTERM')
      await eventually(
        () =>
          fetch(program.url).then(
            () => undefined,
            () => true,
          ),
        WITHIN_MS,
        'the end of the successor',
      )
    })
  }

  it('is replaced without a connection reset, though its workers have queues of their own', async (t) => {
    const file = join(scratch(t), 'routes.yaml')
    writeConfig(file, [await startBackend(t, 'a')])
    const program = await startProgram(t, ['--config', file, '--workers', '2', '--drain', '1'])
    const [frozen] = await pidsOf(program)
    // What arrives at this one waits, and would be reset when it ends.
    process.kill(frozen!, 'SIGSTOP')
    const load = startHttpLoad([program.url], { clients: 8, keepAlive: false })
    const waiting = Array.from({ length: 24 }, () => ask(program.url).then(({ body_ }) => body_))
    await Promise.race(waiting)
    program.process.kill('SIGUSR2')
    const successor = Number(
      await eventually(() => /process (\d+) has taken over/.exec(program.output())?.[1], WITHIN_MS, program.output()),
    )
    t.after(() => {
      try {
        process.kill(successor, 'SIGKILL')
      } catch {
        // It has ended, as it was told.
      }
    })
    process.kill(frozen!, 'SIGKILL')
    assert.deepEqual([...new Set(await Promise.all(waiting))], ['a'])
    await once(program.process, 'exit')
    const { ok, failures } = await load.stop()
    assert.deepEqual(failures, [])
    assert.ok(ok > 8, `${ok} requests`)
    process.kill(successor, 'SIGTERM')
  })

  it('goes on when the program that is to replace it cannot start', async (t) => {
    const file = join(scratch(t), 'routes.yaml')
    writeConfig(file, [await startBackend(t, 'a')])
    const program = await startProgram(t, ['--config', file])
    writeFileSync(file, 'listeners: []\n')
    program.process.kill('SIGUSR2')
    await said(program, /the upgrade failed, this process goes on/)
    assert.equal((await ask(program.url)).body_, 'a')
    await eventually(() => counted(program, 'wherry_proxy_workers'), WITHIN_MS, 'metrics again')
  })

  for (const workers of ['1', '2']) {
    it(`changes between HTTP and HTTPS on an open port, and passes TLS on (${workers} workers)`, async (t) => {
      const certificates = await createCertificates(t)
      const files = await certificates.issue('shop', ['shop.example'])
      const { certificateFile: certificate, keyFile: key } = files
      const server = createTlsServer(
        { cert: readFileSync(certificate), key: readFileSync(key) },
        (_request, response) => response.end('sealed'),
      )
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.after(() => {
        server.close()
        server.closeAllConnections()
      })
      const sealed = `127.0.0.1:${(server.address() as AddressInfo).port}`
      const file = join(scratch(t), 'routes.yaml')
      const a = await startBackend(t, 'a')
      const listener = (settings: object): object => ({
        listeners: [{ name: 'web', address: '127.0.0.1:0', ...settings }],
      })
      writeConfig(file, [a])
      const program = await startProgram(t, ['--config', file, '--workers', workers])
      const { port } = new URL(program.url)
      const secure = (): Promise<string> => askSecurely(Number(port), certificates.ca, 'shop.example')
      const kept = startHttpLoad([program.url], { clients: 4, keepAlive: true, pauseMs: 1 })

      writeConfig(file, [a], listener({ tls: { certificates: [{ certificate, key }] } }))
      await said(program, /configuration 2 holds/)
      assert.equal(await secure(), 'a')
      // Connections that were open before are as they were.
      const { failures, ok } = await kept.stop()
      assert.deepEqual(failures, [])
      assert.ok(ok > 4, `${ok} requests`)

      writeConfig(file, [sealed], listener({ tls: { certificates: [{ certificate, key }] } }), {
        tls: { ca: certificates.caFile, serverName: 'shop.example' },
      })
      await said(program, /configuration 3 holds/)
      assert.equal(await secure(), 'sealed')

      writeConfig(file, [sealed], {
        ...listener({ tls: 'passthrough' }),
        routes: [{ listeners: ['web'], hosts: ['*.example'], backends: ['web'] }],
      })
      await said(program, /configuration 4 holds/)
      assert.equal(await secure(), 'sealed')
      await assert.rejects(askSecurely(Number(port), certificates.ca, 'shop.invalid'))

      writeConfig(file, [a], listener({ tls: { certificates: [{ certificate, key: '/nowhere' }] } }))
      await said(program, /stays as it was: .*ENOENT/)
      const check = await runWherry(['proxy', '--config', file, '--check'])
      assert.match(check.stderr, /listeners\[0\]\.tls\.certificates\[0\]\.key: there is no file \/nowhere/)
      writeConfig(file, [a])
      await said(program, /configuration 5 holds/)
      assert.equal((await ask(program.url)).body_, 'a')
    })
  }

  it('does not share a port with another proxy, though its own workers share it', async (t) => {
    const to = await startBackend(t, 'a')
    const program = await startProgram(t, ['--listen', '127.0.0.1:0', '--to', to, '--workers', '2'])
    const { host } = new URL(program.url)
    const second = await runWherry(['proxy', '--listen', host, '--to', to, '--workers', '2'])
    assert.equal(second.code, 1)
    assert.match(second.stderr, /is taken by another program/)
  })

  it('starts a worker again that was killed, and adds up what all have counted', async (t) => {
    const program = await startProgram(t, [
      ...['--listen', '127.0.0.1:0', '--to', await startBackend(t, 'a'), '--workers', '2'],
    ])
    const before = await pidsOf(program)
    assert.equal(before.length, 2)
    for (let i = 0; i < 40; i++) assert.equal((await ask(program.url)).body_, 'a')
    const count = (): Promise<number> => counted(program, 'wherry_http_requests_total')
    assert.equal(await eventually(async () => ((await count()) === 40 ? 40 : undefined), WITHIN_MS, '40 counted'), 40)
    process.kill(before[0]!, 'SIGKILL')
    const after = await eventually(
      async () => {
        const pids = await pidsOf(program)
        return pids.length === 2 && !pids.includes(before[0]!) ? pids : undefined
      },
      WITHIN_MS,
      'another worker',
    )
    assert.ok(after.includes(before[1]!))
    for (let i = 0; i < 20; i++) assert.equal((await ask(program.url)).body_, 'a')
    assert.equal(await eventually(async () => ((await count()) === 60 ? 60 : undefined), WITHIN_MS, '60 counted'), 60)
    assert.equal(await counted(program, 'wherry_proxy_worker_restarts_total'), 1)
    program.process.kill('SIGTERM')
    const [code] = await once(program.process, 'exit')
    assert.equal(code, 0, program.output())
    for (const pid of after) assert.throws(() => process.kill(pid, 0))
  })

  it('keeps a session with its endpoint, whichever worker serves it', async (t) => {
    const file = join(scratch(t), 'routes.yaml')
    const backends = await Promise.all(['a', 'b', 'c', 'd'].map((name) => startBackend(t, name)))
    writeConfig(file, backends, {}, { sticky: { cookie: 'home' }, balance: 'random' })
    const program = await startProgram(t, ['--config', file, '--workers', '2'])
    const first = await ask(program.url)
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? ''
    assert.match(cookie, /^home=[\w-]{16}$/)
    for (let i = 0; i < 20; i++) {
      const later = await ask(program.url, { cookie })
      assert.equal(later.body_, first.body_)
      assert.equal(later.headers.get('set-cookie'), null)
    }
  })

  it('writes requests to a log and shows them live', async (t) => {
    const log = join(scratch(t), 'access.log')
    const program = await startProgram(t, [
      ...['--listen', '127.0.0.1:0', '--to', await startBackend(t, 'a'), '--workers', '2', '--access-log', log],
    ])
    const end = new AbortController()
    t.after(() => end.abort())
    const tap = await fetch(`${program.admin}/tap`, { signal: end.signal })
    const reader = tap.body!.pipeThrough(new TextDecoderStream()).getReader()
    let seen = ''
    const reading = (async () => {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        seen += value
      }
    })().catch(() => {})
    let asked = 0
    await eventually(
      async () => {
        await ask(`${program.url}/cart?x=${asked++}`)
        return seen.includes('/cart') ? true : undefined
      },
      WITHIN_MS,
      'a line of the live stream',
    )
    const line = JSON.parse(seen.split('\n').find((text) => text.includes('/cart'))!) as Record<string, unknown>
    assert.equal(line.status, 200)
    assert.equal(line.method, 'GET')
    assert.equal(line.client, '127.0.0.1')
    assert.equal(line.route, 'default')
    end.abort()
    await reading
    program.process.kill('SIGTERM')
    await once(program.process, 'exit')
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
    assert.equal(lines.length, asked)
    for (const [i, text] of lines.entries())
      assert.match((JSON.parse(text) as { target: string }).target, /^\/cart\?x=\d+$/, `${i}`)
  })

  it('serves wrk and curl', async (t) => {
    const has = async (program: string): Promise<boolean> =>
      run('which', [program]).then(
        () => true,
        () => false,
      )
    if (!(await has('curl')) || !(await has('wrk'))) return t.skip('curl and wrk are not both installed')
    const file = join(scratch(t), 'routes.yaml')
    const [a, b] = [await startBackend(t, 'a'), await startBackend(t, 'b')]
    writeConfig(file, [a])
    const program = await startProgram(t, ['--config', file, '--workers', '2'])
    const load = run('wrk', ['-t1', '-c16', '-d2s', program.url])
    writeConfig(file, [b])
    await said(program, /configuration 2 holds/)
    const { stdout } = await load
    assert.match(stdout, /requests in/)
    assert.doesNotMatch(stdout, /Non-2xx|Socket errors/)
    assert.equal((await run('curl', ['-sS', program.url])).stdout, 'b')
  })
})

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { KUBECTL_MISSING, type Kubectl, kubectlOk, kubectls } from '../harness/kubectl.ts'

// exec, attach, run -it, cp and port-forward as people use them, with the oldest and the newest kubectl, unmodified: the
// oldest speaks SPDY/3.1, the newest WebSocket.
const all = kubectls()
const SCRIPT = '/usr/bin/script'
const NO_SCRIPT = isThere(SCRIPT) ? false : 'needs script(1) of util-linux'

function isThere(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const SERVER =
  "require('http').createServer((q, r) => { if (q.url === '/slow') setTimeout(() => r.end('slow'), 200); else q.pipe(r) })" +
  ".listen(8080, process.env.POD_IP, () => console.log('up'))"

const PODS = JSON.stringify({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    pod('web', { command: ['node', '-e', SERVER] }),
    pod('shell', { command: ['/bin/sh'], stdin: true, tty: true }),
    pod('reader', { command: ['cat'], stdin: true }),
  ],
})

function pod(name: string, container: object): object {
  const containers = [{ name: 'c', image: 'none', ...container }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 1, containers },
  }
}

interface Ended {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

function collect(child: ChildProcess): Promise<Ended> {
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout!.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout: Buffer.concat(stdout), stderr })
    })
  })
}

if (all.length === 0) test('kubectl exec', { skip: KUBECTL_MISSING }, () => {})
else {
  let cluster: TestCluster
  let directory: string
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'wherry-exec-'))
    cluster = await startTestCluster([])
    await kubectlOk(all[0]!, cluster.kubeconfig, ['apply', '-f', '-'], { input: PODS })
    for (const name of ['web', 'shell', 'reader'])
      await kubectlOk(all[0]!, cluster.kubeconfig, ['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'])
    await eventually(async () =>
      (await kubectlOk(all[0]!, cluster.kubeconfig, ['logs', 'web'])) === 'up\n' ? true : undefined,
    )
  })
  after(async () => {
    await cluster?.destroy()
    rmSync(directory, { recursive: true, force: true })
  })
  for (const kubectl of all) suite(kubectl, () => ({ cluster, directory }))
}

function suite(kubectl: Kubectl, context: () => { readonly cluster: TestCluster; readonly directory: string }): void {
  const args = (...rest: string[]): string[] => ['--kubeconfig', context().cluster.kubeconfig, ...rest]
  const start = (...rest: string[]): ChildProcess => spawn(kubectl.path, args(...rest))
  const run = (rest: readonly string[], input: Buffer | string = ''): Promise<Ended> => {
    const child = start(...rest)
    // A command that does not read all its input is no failure of ours.
    child.stdin!.on('error', () => {})
    child.stdin!.end(input)
    return collect(child)
  }
  /** kubectl in a terminal of 31 rows and 71 columns. */
  const inTerminal = (...rest: string[]): ChildProcess => {
    const line = [kubectl.path, ...args(...rest)].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
    return spawn(SCRIPT, ['-qec', `stty rows 31 cols 71; ${line}`, '/dev/null'])
  }
  /** Types each line once the text before it was seen, then waits for the end. */
  const converse = async (
    child: ChildProcess,
    turns: readonly (readonly [string | RegExp, string])[],
  ): Promise<Ended> => {
    const ended = collect(child)
    let seen = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      seen += chunk.toString()
    })
    for (const [expected, typed] of turns) {
      await eventually(() => (seen.search(expected) >= 0 ? true : undefined), 20_000, `${expected} after ${seen}`)
      seen = ''
      child.stdin!.write(typed)
    }
    return ended
  }

  describe(`kubectl ${kubectl.minor}`, () => {
    test('exec keeps both outputs apart and brings the exit code', async () => {
      const { code, stdout, stderr } = await run([
        'exec',
        'web',
        '--',
        'sh',
        '-c',
        'echo out; echo err >/dev/stderr; exit 3',
      ])
      assert.equal(stdout.toString(), 'out\n')
      assert.equal(stderr, 'err\ncommand terminated with exit code 3\n')
      assert.equal(code, 3)
    })

    for (const [command, want] of [
      [['true'], 0],
      [['sh', '-c', 'kill -TERM $$'], 143],
      [['/etc/passwd'], 126],
      [['no-such-program'], 127],
      [['/no/such/program'], 127],
    ] as const)
      test(`${command.join(' ')} ends with ${want}`, async () => {
        assert.equal((await run(['exec', 'web', '--', ...command])).code, want)
      })

    test('a command runs with the environment of its container', async () => {
      const { stdout } = await run(['exec', 'web', '-c', 'c', '--', 'sh', '-c', 'echo "$POD_IP"'])
      assert.match(stdout.toString(), /^127\.\d+\.\d+\.\d+\n$/)
    })

    test('1 MB through stdin and back is the same', async () => {
      const input = randomBytes(1024 * 1024)
      const { code, stdout } = await run(['exec', '-i', 'web', '--', 'cat'], input)
      assert.equal(code, 0)
      assert.ok(stdout.equals(input))
    })

    test('a command that reads only some of its input ends all the same', async () => {
      const { code, stdout, stderr } = await run(
        ['exec', '-i', 'web', '--', 'head', '-c', '3'],
        Buffer.alloc(2 << 20, 'x'),
      )
      assert.deepEqual([code, stdout.toString(), stderr], [0, 'xxx', ''])
    })

    test('a child left in the background holds nobody up', async () => {
      const { code, stdout } = await run(['exec', 'web', '--', 'sh', '-c', 'sleep 60 & echo done'])
      assert.deepEqual([code, stdout.toString()], [0, 'done\n'])
    })

    test('-it: a terminal of the same size, Ctrl-C, and the exit code', { skip: NO_SCRIPT }, async () => {
      const child = inTerminal(
        'exec',
        '-it',
        'web',
        '--',
        'sh',
        '-c',
        'trap "echo caught; exec sh" INT; while :; do stty size; sleep 0.2; done',
      )
      const { code, stdout } = await converse(child, [
        [/31 71/, '\x03'],
        [/caught/, 'tty; exit 7\n'],
      ])
      assert.match(stdout.toString(), /\/dev\/pts\/\d+/)
      assert.equal(code, 7)
    })

    test('cp, both ways', async () => {
      const base = join(context().directory, kubectl.minor.replaceAll(/\W/g, '-'))
      mkdirSync(join(base, 'up', 'below'), { recursive: true })
      const data = randomBytes(300_000)
      writeFileSync(join(base, 'up', 'below', 'data'), data)
      assert.equal((await run(['cp', join(base, 'up'), 'web:copied'])).code, 0)
      assert.equal((await run(['cp', 'web:copied', join(base, 'down')])).code, 0)
      assert.ok(readFileSync(join(base, 'down', 'below', 'data')).equals(data))
      await run(['exec', 'web', '--', 'rm', '-rf', 'copied'])
    })

    test('port-forward: large bodies, many connections at once, a refused one', async () => {
      const forward = start('port-forward', 'pod/web', ':8080', ':9')
      const ended = collect(forward)
      try {
        let said = ''
        forward.stdout!.on('data', (chunk: Buffer) => {
          said += chunk.toString()
        })
        const portOf = (target: number): Promise<number> =>
          eventually(() => {
            const port = new RegExp(`127\\.0\\.0\\.1:(\\d+) -> ${target}\\b`).exec(said)?.[1]
            return port === undefined ? undefined : Number(port)
          })
        const url = `http://127.0.0.1:${await portOf(8080)}/`
        const body = randomBytes(700_000)
        const large = await fetch(url, { method: 'POST', body, headers: { connection: 'close' } })
        assert.ok(Buffer.from(await large.arrayBuffer()).equals(body))
        const answers = await Promise.all(
          Array.from({ length: 20 }, async () =>
            (await fetch(`${url}slow`, { headers: { connection: 'close' } })).text(),
          ),
        )
        assert.deepEqual(new Set(answers), new Set(['slow']))
        // Newer ones end with the first connection that fails, older ones go on.
        await assert.rejects(fetch(`http://127.0.0.1:${await portOf(9)}/`))
        forward.kill()
        assert.match((await ended).stderr, /error forwarding port 9 to pod default\/web: connect ECONNREFUSED/)
      } finally {
        forward.kill('SIGKILL')
      }
    })

    test('attach reads what a container writes and types to it', async () => {
      const attached = start('attach', '-i', 'reader')
      const ended = collect(attached)
      let seen = ''
      attached.stdout!.on('data', (chunk: Buffer) => {
        seen += chunk.toString()
      })
      attached.stdin!.write('one\n')
      await eventually(() => (seen === 'one\n' ? true : undefined), 20_000, 'the echo')
      attached.kill()
      await ended
      // The container's input is still open for the next client.
      const again = start('attach', '-i', 'reader')
      const over = collect(again)
      let said = ''
      again.stdout!.on('data', (chunk: Buffer) => {
        said += chunk.toString()
      })
      again.stdin!.write('two\n')
      await eventually(() => (said === 'two\n' ? true : undefined), 20_000, 'the second echo')
      again.kill()
      await over
    })

    test('attach -it: the shell of the container, that goes on afterwards', { skip: NO_SCRIPT }, async () => {
      const child = inTerminal('attach', '-it', 'shell')
      const ended = collect(child)
      let seen = ''
      child.stdout!.on('data', (chunk: Buffer) => {
        seen += chunk.toString()
      })
      // A client that is slow to tell its size is asked again.
      await eventually(
        () => {
          child.stdin!.write('stty size; echo $((6 * 7))\n')
          return /31 71\s+42/.test(seen) ? true : undefined
        },
        20_000,
        'the size',
      )
      child.stdin!.write('echo a$((1 + 1))b\n')
      await eventually(() => (seen.includes('a2b') ? true : undefined), 20_000, 'the second answer')
      child.kill()
      await ended
      const { stdout } = await run([
        'get',
        'pod',
        'shell',
        '-o',
        'jsonpath={.status.containerStatuses[0].restartCount}',
      ])
      assert.equal(stdout.toString(), '0')
    })

    test('run -i --rm: input to its end, the exit code, nothing left', async () => {
      const name = `once-${kubectl.minor.replaceAll(/\W/g, '')}`
      const flags = ['run', '-i', '--rm', '--restart=Never', '--image=none', name]
      const command = ['--command', '--', 'sh', '-c', 'cat; exit 5']
      const { code, stdout } = await run([...flags, ...command], 'line\n')
      assert.equal(code, 5)
      assert.match(stdout.toString(), /line\n/)
      assert.match((await run(['get', 'pod', name])).stderr, /not found/)
    })

    test('what cannot be is told in words', async () => {
      assert.match((await run(['exec', 'nobody', '--', 'true'])).stderr, /pods "nobody" not found/)
      assert.match((await run(['exec', 'web', '-c', 'x', '--', 'true'])).stderr, /container x is not valid|x not found/)
    })
  })
}

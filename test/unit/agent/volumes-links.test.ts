import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { openBeneath } from '../../../src/agent/files/open-beneath.ts'
import { removeTree } from '../../../src/agent/files/remove-tree.ts'
import { makeContainerRoot, placeTerminationMessage } from '../../../src/agent/runtime/process/container-root.ts'
import { subPathIn } from '../../../src/agent/volumes/sub-path.ts'
import { temporaryDirectory } from './volumes-fixture.ts'

/** A directory next to one that nobody may touch, which holds the file `precious`. */
function besideVictim(t: TestContext): {
  readonly volume: string
  readonly victim: string
  readonly intact: () => void
} {
  const directory = temporaryDirectory(t)
  const [volume, victim] = [join(directory, 'volume'), join(directory, 'victim')]
  for (const path of [volume, victim]) mkdirSync(path)
  writeFileSync(join(victim, 'precious'), 'p')
  return {
    volume,
    victim,
    intact: () => assert.deepEqual(readdirSync(victim), ['precious'], 'nothing came and nothing went'),
  }
}

/** Where an open place really is. */
async function realPath(base: string, path: string, createMode?: number): Promise<string> {
  const handle = await openBeneath(base, path, createMode)
  try {
    return readlinkSync(`/proc/self/fd/${handle.fd}`)
  } finally {
    await handle.close()
  }
}

interface Swap {
  readonly count: () => number
  stop(): Promise<void>
}

/** Lets another thread put a directory and a link to `target` in each other's place, as fast as it can. */
async function startSwapping(path: string, target: string): Promise<Swap> {
  const shared = new SharedArrayBuffer(8)
  const view = new Int32Array(shared)
  const worker = new Worker(
    `const { workerData: { path, target, shared } } = require('node:worker_threads')
     const fs = require('node:fs')
     const view = new Int32Array(shared)
     const aside = path + '.aside'
     const steps = [
       () => fs.mkdirSync(path),
       () => fs.writeFileSync(path + '/precious', ''),
       () => fs.renameSync(path, aside),
       () => fs.symlinkSync(target, path),
       () => { fs.unlinkSync(path); Atomics.add(view, 1, 1) },
       () => fs.rmSync(aside, { recursive: true, force: true }),
     ]
     while (Atomics.load(view, 0) === 0)
       for (const step of steps) try { step() } catch {}`,
    { eval: true, workerData: { path, target, shared } },
  )
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  await new Promise((resolve) => worker.once('online', resolve))
  return {
    count: () => Atomics.load(view, 1),
    async stop() {
      Atomics.store(view, 0, 1)
      await ended
    },
  }
}

test('a path beneath a directory: names and links inside lead on, everything else is refused', async (t) => {
  const { volume, victim, intact } = besideVictim(t)
  mkdirSync(join(volume, 'a/b'), { recursive: true })
  writeFileSync(join(volume, 'a/file'), '')
  const links: Readonly<Record<string, string>> = {
    inside: 'a/b',
    'a/up': '../a',
    'a/b/far': '../../a/file',
    loop: 'loop',
    absolute: victim,
    out: '../victim',
    'a/out': '../../victim/precious',
    round: `../volume/a`,
    dangling: 'new/dir',
  }
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(volume, name))
  const good: readonly (readonly [path: string, want: string])[] = [
    ['', '.'],
    ['.', '.'],
    ['a//./b/', 'a/b'],
    ['inside', 'a/b'],
    ['a/up/b', 'a/b'],
    ['inside/far', 'a/file'],
    ['a/b/../file', 'a/file'],
  ]
  for (const [path, want] of good) assert.equal(await realPath(volume, path), join(volume, want), path)
  assert.equal(await realPath(volume, 'dangling/x', 0o750), join(volume, 'new/dir/x'))
  assert.equal(statSync(join(volume, 'new/dir')).mode & 0o777, 0o750)
  const bad: readonly (readonly [path: string, want: RegExp])[] = [
    ['..', /leads out/],
    ['a/../../victim', /leads out/],
    ['absolute/precious', /leads out/],
    ['out/precious', /leads out/],
    ['out/new', /leads out/],
    ['a/out', /leads out/],
    ['round', /leads out/],
    ['loop', /too many levels/],
    ['a/file/x', /not a directory/],
    ['a/file/..', /not a directory/],
  ]
  for (const [path, want] of bad) {
    await assert.rejects(openBeneath(volume, path, 0o755), { name: 'PathError', message: want }, path)
    await assert.rejects(openBeneath(volume, path), { name: 'PathError', message: want }, path)
  }
  await assert.rejects(openBeneath(volume, 'nothing'), /no such file or directory/)
  intact()
})

test('a link that is swapped in while a path is walked leads nowhere', async (t) => {
  const { volume, victim, intact } = besideVictim(t)
  const swap = await startSwapping(join(volume, 'dir'), victim)
  let inside = 0
  let refused = 0
  try {
    const isEnough = (): boolean => inside >= 50 && refused >= 50 && swap.count() >= 200
    for (let i = 0; i < 10_000 && !isEnough(); i++) {
      const path = await realPath(volume, `dir/new${i}`, 0o755).catch(() => undefined)
      if (path === undefined) refused += 1
      else {
        assert.ok(!path.startsWith(victim), path)
        inside += 1
      }
    }
  } finally {
    await swap.stop()
  }
  assert.ok(
    inside > 0 && refused > 0 && swap.count() > 0,
    `${inside} inside, ${refused} refused, ${swap.count()} swaps`,
  )
  intact()
})

test('removing takes everything and follows no link', async (t) => {
  const { volume, victim, intact } = besideVictim(t)
  mkdirSync(join(volume, 'a/b'), { recursive: true })
  symlinkSync(victim, join(volume, 'a/link'))
  symlinkSync(join(victim, 'precious'), join(volume, 'a/b/file'))
  symlinkSync('nowhere', join(volume, 'dangling'))
  const server = createServer().listen(join(volume, 'socket'))
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => server.close())
  writeFileSync(join(volume, 'a/b/plain'), '')
  mkdirSync(join(volume, 'closed/in'), { recursive: true })
  writeFileSync(join(volume, 'closed/in/file'), '')
  chmodSync(join(volume, 'closed/in'), 0o500)
  chmodSync(join(volume, 'closed'), 0)
  await removeTree(volume)
  assert.equal(existsSync(volume), false)
  intact()

  symlinkSync(victim, volume)
  await removeTree(volume)
  intact()
  await removeTree(join(volume, 'long/gone'))
})

test('removing does not mind how deep a tree is', async (t) => {
  const directory = temporaryDirectory(t)
  // Far longer than a path may be, so it is made from the inside.
  const script = `for (let i = 0; i < 450; i++) { fs.mkdirSync('directory'); fs.writeFileSync('f', ''); process.chdir('directory') }`
  mkdirSync(join(directory, 'deep'))
  execFileSync(process.execPath, ['-e', `const fs = require('node:fs');${script}`], { cwd: join(directory, 'deep') })
  await removeTree(join(directory, 'deep'))
  assert.deepEqual(readdirSync(directory), [])
})

test('a directory that becomes a link while it is removed costs nobody else anything', async (t) => {
  const { volume, victim, intact } = besideVictim(t)
  const swap = await startSwapping(join(volume, 'dir'), victim)
  try {
    for (let i = 0; i < 10_000 && swap.count() < 300; i++) await removeTree(join(volume, 'dir')).catch(() => {})
  } finally {
    await swap.stop()
  }
  assert.ok(swap.count() > 0)
  intact()
})

test('subPath: made with the rights of the volume, found again, and never outside', async (t) => {
  const { volume, victim, intact } = besideVictim(t)
  chmodSync(volume, 0o777)
  assert.equal(await subPathIn(volume, 'data/one'), join(volume, 'data/one'))
  assert.equal(statSync(join(volume, 'data/one')).mode & 0o777, 0o777)
  writeFileSync(join(volume, 'data/file'), '')
  assert.equal(await subPathIn(volume, 'data/file'), join(volume, 'data/file'))
  symlinkSync(victim, join(volume, 'out'))
  const bad: readonly (readonly [path: string, want: string])[] = [
    ['../victim', `subPath "../victim" must not contain '..'`],
    ['data/..', `subPath "data/.." must not contain '..'`],
    ['/etc', 'subPath "/etc" must be a relative path'],
    ['a\0b', 'subPath must not contain a zero byte'],
    ['out', 'failed to create subPath "out": path out leads out of the volume'],
    ['out/new', 'failed to create subPath "out/new": path out/new leads out of the volume'],
    ['data/file/x', 'failed to create subPath "data/file/x": not a directory: data/file/x'],
  ]
  for (const [path, message] of bad) await assert.rejects(subPathIn(volume, path), { name: 'VolumeError', message })
  intact()
})

test('a mount inside a volume, and the termination message there, do not follow links that containers left', async (t) => {
  const { volume, victim, intact } = besideVictim(t)
  const directory = temporaryDirectory(t)
  const [root, inner] = [join(directory, 'root'), join(directory, 'inner')]
  mkdirSync(inner)
  const mount = (source: string, target: string): { source: string; target: string; readOnly: boolean } => ({
    source,
    target,
    readOnly: false,
  })
  symlinkSync(victim, join(volume, 'out'))
  await assert.rejects(
    makeContainerRoot(root, [mount(inner, '/data/out/inner'), mount(volume, '/data')]),
    /cannot place the volume at \/data\/out\/inner: path out leads out of the volume/,
  )
  const mounts = [mount(inner, '/data/in/inner'), mount(volume, '/data')]
  await makeContainerRoot(root, mounts)
  assert.equal(readlinkSync(join(volume, 'in/inner')), inner)

  const message = join(directory, 'c/0/termination-message')
  mkdirSync(join(directory, 'c/0'), { recursive: true })
  await placeTerminationMessage(root, { mounts, terminationMessagePath: '/data/out/message' }, message)
  await placeTerminationMessage(root, { mounts, terminationMessagePath: '/data/in/message' }, message)
  assert.equal(readFileSync(join(root, 'data/in/message'), 'utf8'), '')
  const next = join(directory, 'c/1/termination-message')
  mkdirSync(join(directory, 'c/1'))
  await placeTerminationMessage(root, { mounts, terminationMessagePath: '/data/in/message' }, next)
  assert.equal(readlinkSync(join(volume, 'in/message')), next, 'the link of the attempt before gives way')
  intact()

  // The pod has gone and its volume stays: what it left there does not stand in the next one's way.
  rmSync(inner, { recursive: true })
  const other = join(directory, 'other')
  mkdirSync(other)
  await makeContainerRoot(root, [mount(volume, '/data'), mount(other, '/data/in/inner')])
  assert.equal(readlinkSync(join(volume, 'in/inner')), other)
  await assert.rejects(
    makeContainerRoot(root, [mount(volume, '/data'), mount(victim, '/data/in/inner')]),
    /something else stands where the volume should be mounted: \/data\/in\/inner/,
  )
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { writeFiles } from '../../../src/agent/volumes/atomic-writer.ts'
import { checkFilePath } from '../../../src/agent/volumes/file-path.ts'
import { fileSources } from '../../../src/agent/volumes/file-sources.ts'
import { prepareHostPath } from '../../../src/agent/volumes/host-path.ts'
import { type VolumeInput, volumeContents } from '../../../src/agent/volumes/volume-contents.ts'
import type { VolumeFile, VolumeFiles } from '../../../src/agent/volumes/volume-file.ts'
import type { Pod, Volume } from '../../../src/api/types/core-v1.gen.ts'
import { podWith, temporaryDirectory } from './volumes-fixture.ts'

const NOW = Date.parse('2026-01-31T12:00:00Z')

function files(content: Readonly<Record<string, string | VolumeFile>>): VolumeFiles {
  return new Map(
    Object.entries(content).map(([path, file]) => [
      path,
      typeof file === 'string' ? { bytes: Buffer.from(file), mode: 0o644 } : file,
    ]),
  )
}

/** What somebody sees who lists a volume: path → text, through the links. */
function seen(directory: string, inside = ''): Record<string, string> {
  const result: Record<string, string> = Object.create(null)
  for (const name of readdirSync(join(directory, inside))) {
    if (inside === '' && name.startsWith('..')) continue
    const path = inside === '' ? name : `${inside}/${name}`
    if (statSync(join(directory, path)).isDirectory()) Object.assign(result, seen(directory, path))
    else result[path] = readFileSync(join(directory, path), 'latin1')
  }
  return result
}

test('files stand behind ..data, which one rename replaces', async (t) => {
  const directory = temporaryDirectory(t)
  assert.equal(await writeFiles(directory, files({ a: '1', 'd/e/f': '2' }), NOW), true)
  const generation = readlinkSync(join(directory, '..data'))
  assert.match(generation, /^\.\.2026_01_31_12_00_00\.[0-9a-f]+$/)
  assert.deepEqual(readdirSync(directory).sort(), ['..data', generation, 'a', 'd'].sort())
  assert.deepEqual([readlinkSync(join(directory, 'a')), readlinkSync(join(directory, 'd'))], ['..data/a', '..data/d'])
  assert.equal(await writeFiles(directory, files({ a: '1', 'd/e/f': '2' }), NOW), false, 'nothing changed')
  assert.equal(readlinkSync(join(directory, '..data')), generation)

  const held = openSync(join(directory, '..data'), 'r')
  assert.equal(await writeFiles(directory, files({ a: '2', g: '3' }), NOW), true)
  closeSync(held)
  assert.deepEqual({ ...seen(directory) }, { a: '2', g: '3' })
  assert.equal(existsSync(join(directory, generation)), false, 'the old one is gone')
  assert.equal(existsSync(join(directory, 'd')), false)

  const modes = files({ a: { bytes: Buffer.from('2'), mode: 0o400 }, g: '3' })
  assert.equal(await writeFiles(directory, modes, NOW), true, 'other rights are a change')
  assert.equal(statSync(join(directory, 'a')).mode & 0o777, 0o400)
  assert.equal(await writeFiles(directory, new Map(), NOW), true)
  assert.deepEqual({ ...seen(directory) }, {})
})

test('after any changes a volume shows exactly the last ones', async (t) => {
  const directory = temporaryDirectory(t)
  const name = fc.constantFrom('a', 'b', '__proto__', 'd/x', 'd/y', 'd/z/w', 'é.conf', '.hidden', 'a..b')
  const file = fc.record({
    bytes: fc.uint8Array({ maxLength: 40 }),
    mode: fc.constantFrom(0o644, 0o600, 0o755, 0o440),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.tuple(name, file), { maxLength: 6 }), { maxLength: 5 }), async (changes) => {
      for (const change of changes) {
        const wanted: VolumeFiles = new Map(change)
        await writeFiles(directory, wanted, NOW)
        const want = [...wanted].map(([path, { bytes }]) => [path, Buffer.from(bytes).toString('latin1')])
        assert.deepEqual(new Map(Object.entries(seen(directory))), new Map(want as [string, string][]))
        for (const [path, { mode }] of wanted) assert.equal(statSync(join(directory, path)).mode & 0o777, mode)
        assert.equal(readdirSync(directory).filter((entry) => entry.startsWith('..')).length, 2)
      }
    }),
    { numRuns: 60 },
  )
})

test('a reader never sees files of two generations together', async (t) => {
  const directory = temporaryDirectory(t)
  await writeFiles(directory, files({ a: '0', b: '0' }), NOW)
  // Reads both files over and over through a directory that it holds, and says when they differ.
  const script = `
    const fs = require('node:fs')
    let reads = 0
    process.stdin.once('data', () => { console.log(reads); process.exit(0) })
    const look = () => {
      for (let i = 0; i < 50; i++) {
        let fd
        try {
          fd = fs.openSync('..data', fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
          const [a, b] = ['a', 'b'].map((name) => fs.readFileSync('/proc/self/fd/' + fd + '/' + name, 'utf8'))
          if (a !== b || a === '') { console.log('torn', a, b); process.exit(1) }
          reads += 1
        } catch (error) { if (error.code !== 'ENOENT') throw error }
        if (fd !== undefined) fs.closeSync(fd)
      }
      setImmediate(look)
    }
    console.log('ready')
    look()`
  const reader = spawn(process.execPath, ['-e', script], { cwd: directory, stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => reader.kill('SIGKILL'))
  let output = ''
  const started = new Promise<void>((resolve) =>
    reader.stdout.on('data', (chunk) => {
      output += chunk
      resolve()
    }),
  )
  const ended = new Promise<number | null>((resolve) => reader.once('close', resolve))
  await started
  for (let i = 1; i <= 300 && reader.exitCode === null; i++)
    await writeFiles(directory, files({ a: `${i}`, b: `${i}` }), NOW)
  reader.stdin.write('x')
  assert.equal(await ended, 0, output)
  assert.ok(Number(output.trim().split('\n').at(-1)) > 0, output)
})

test('what a crash or a container left in a volume does not stay in the way', async (t) => {
  const directory = temporaryDirectory(t)
  await writeFiles(directory, files({ a: '1' }), NOW)
  // Broken off while the next generation was written, and again before it was shown.
  mkdirSync(join(directory, '..2026_01_31_12_00_01.abcdef'))
  writeFileSync(join(directory, '..2026_01_31_12_00_01.abcdef/half'), '')
  symlinkSync('..2026_01_31_12_00_01.abcdef', join(directory, '..data_tmp'))
  // Somebody wrote where files should show.
  unlinkSync(join(directory, 'a'))
  mkdirSync(join(directory, 'a/b'), { recursive: true })
  writeFileSync(join(directory, 'own'), 'stays')
  await writeFiles(directory, files({ a: '1' }), NOW)
  assert.deepEqual({ ...seen(directory) }, { a: '1', own: 'stays' })
  assert.equal(readdirSync(directory).filter((name) => name.startsWith('..')).length, 2)
  // A `..data` that leads elsewhere is no generation.
  const elsewhere = temporaryDirectory(t)
  writeFileSync(join(elsewhere, 'a'), 'other')
  unlinkSync(join(directory, '..data'))
  symlinkSync(elsewhere, join(directory, '..data'))
  await writeFiles(directory, files({ a: '2' }), NOW)
  assert.equal(readFileSync(join(directory, 'a'), 'utf8'), '2')
  assert.deepEqual(readdirSync(elsewhere), ['a'])
  assert.equal(readFileSync(join(elsewhere, 'a'), 'utf8'), 'other')
})

test('paths that leave the volume, or that its own entries need, are refused', () => {
  for (const path of [
    '',
    '.',
    './/.',
    '/etc/passwd',
    '..',
    '../a',
    'a/../../b',
    'a/..',
    '..data',
    './..data',
    '..x/y',
    'a\0b',
    'x'.repeat(256),
    'y/'.repeat(2100),
  ])
    assert.throws(() => checkFilePath(path), { name: 'VolumeError' }, path)
  for (const path of ['a', '.a', 'a..b', 'a/..b', 'a/./b', 'é'.repeat(127)]) checkFilePath(path)
})

test('no content makes a file outside the volume', () => {
  const input = (configMap: Readonly<Record<string, string>>): VolumeInput => ({
    pod: podWith([]),
    addressing: { podIp: '', hostIp: '' },
    allocatable: {},
    configMap: () => ({ data: configMap }),
    secret: () => undefined,
    token: () => '',
  })
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), fc.option(fc.string(), { nil: undefined }), (data, path) => {
      const items = path === undefined ? undefined : Object.keys(data).map((key) => ({ key, path }))
      const volume: Volume = { name: 'v', configMap: { name: 'c', items } }
      let contents: VolumeFiles
      try {
        contents = volumeContents(fileSources(volume)!, input(data))
      } catch (error) {
        assert.equal((error as Error).name, 'VolumeError')
        return
      }
      for (const name of contents.keys()) {
        assert.ok(!name.startsWith('/') && !name.startsWith('..') && !name.split('/').includes('..'), name)
        assert.notEqual(name, '')
      }
    }),
  )
})

test('what a volume holds, case by case', () => {
  const show = (volume: Partial<Volume>, pod: Pod = podWith([])): unknown => {
    try {
      const contents = volumeContents(fileSources({ name: 'v', ...volume })!, {
        pod,
        addressing: { podIp: '127.99.129.4', hostIp: '127.99.0.1' },
        allocatable: { cpu: '2', memory: '1Gi' },
        configMap: (name) => (name === 'c' ? { data: { a: '1', constructor: 'own' } } : undefined),
        secret: (name) => (name === 's' ? { data: { a: 'Mg==' } } : undefined),
        token: ({ audience }) => `token for ${audience}`,
      })
      return Object.fromEntries(
        [...contents].map(([path, { bytes, mode, uid }]) => [
          path,
          [Buffer.from(bytes).toString(), mode.toString(8), ...(uid === undefined ? [] : [uid])],
        ]),
      )
    } catch (error) {
      return (error as Error).message
    }
  }
  const runAs = (...users: (number | undefined)[]): Pod =>
    podWith([], {
      containers: users.map((runAsUser, i) => ({ name: `c${i}`, image: '', securityContext: { runAsUser } })),
    })
  const token = { projected: { sources: [{ serviceAccountToken: { path: 't', audience: 'vault' } }] } }
  const cases: readonly { readonly name: string; readonly given: unknown; readonly want: unknown }[] = [
    {
      name: 'keys named like parts of objects are only keys',
      given: show({ configMap: { name: 'c' } }),
      want: { a: ['1', '644'], constructor: ['own', '644'] },
    },
    {
      name: 'a key of the prototype is not there',
      given: show({ configMap: { name: 'c', items: [{ key: 'toString', path: 'x' }] } }),
      want: 'configmap references non-existent config key: toString',
    },
    {
      name: 'one key may be several files',
      given: show({
        configMap: {
          name: 'c',
          defaultMode: 0o400,
          items: [
            { key: 'a', path: 'x' },
            { key: 'a', path: 'y/z', mode: 0o777 },
          ],
        },
      }),
      want: { x: ['1', '400'], 'y/z': ['1', '777'] },
    },
    {
      name: 'the later source wins',
      given: show({ projected: { sources: [{ configMap: { name: 'c' } }, { secret: { name: 's' } }] } }),
      want: { a: ['2', '644'], constructor: ['own', '644'] },
    },
    {
      name: 'a file cannot be a directory, too',
      given: show({
        projected: {
          sources: [{ configMap: { name: 'c' } }, { secret: { name: 's', items: [{ key: 'a', path: 'a/b' }] } }],
        },
      }),
      want: 'path a is both a file and the directory of a/b',
    },
    {
      name: 'fsGroup may read',
      given: show(
        { secret: { secretName: 's', defaultMode: 0o400 } },
        podWith([], { securityContext: { fsGroup: 7 } }),
      ),
      want: { a: ['2', '440'] },
    },
    {
      name: 'a limit that is not set is the node’s',
      given: show({
        downwardAPI: {
          items: [
            { path: 'm', resourceFieldRef: { containerName: 'main', resource: 'limits.memory', divisor: '1Mi' } },
          ],
        },
      }),
      want: { m: ['1024', '644'] },
    },
    {
      name: 'a container that is not there',
      given: show({
        downwardAPI: { items: [{ path: 'm', resourceFieldRef: { containerName: 'x', resource: 'limits.cpu' } }] },
      }),
      want: 'container x not found',
    },
    {
      name: 'one label',
      given: show(
        { downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: `metadata.labels['app']` } }] } },
        podWith([], {}, { labels: { app: 'web' } }),
      ),
      want: { l: ['web', '644'] },
    },
    { name: 'a token of containers without a user', given: show(token), want: { t: ['token for vault', '644'] } },
    {
      name: 'a token of one user is that user’s',
      given: show(token, runAs(1000, 1000)),
      want: { t: ['token for vault', '600', 1000] },
    },
    {
      name: 'a token of several users',
      given: show(token, runAs(1000, undefined)),
      want: { t: ['token for vault', '644'] },
    },
    { name: 'nothing at all', given: show({ projected: {} }), want: {} },
  ]
  for (const { name, given, want } of cases) assert.deepEqual(given, want, name)
})

test('hostPath: made where that is asked for, else checked', async (t) => {
  const directory = temporaryDirectory(t)
  const at = (name: string): string => join(directory, name)
  mkdirSync(at('dir'))
  writeFileSync(at('file'), 'kept')
  symlinkSync('dir', at('link'))
  const server = createServer().listen(at('socket'))
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const cases: readonly (readonly [path: string, type: string | undefined, refused?: string])[] = [
    [at('dir'), undefined],
    [at('new/deep'), ''],
    [at('file'), ''],
    [at('dir'), 'Directory'],
    [at('link'), 'Directory'],
    [at('file'), 'Directory', 'a directory'],
    [at('none'), 'Directory', 'a directory'],
    [at('made/deep'), 'DirectoryOrCreate'],
    [at('file'), 'DirectoryOrCreate', 'a directory'],
    [at('file'), 'File'],
    [at('dir'), 'File', 'a file'],
    [at('none'), 'File', 'a file'],
    [at('file'), 'FileOrCreate'],
    [at('made/file'), 'FileOrCreate'],
    [at('dir'), 'FileOrCreate', 'a file'],
    [at('socket'), 'Socket'],
    [at('file'), 'Socket', 'a socket file'],
    ['/dev/null', 'CharDevice'],
    [at('file'), 'CharDevice', 'a character device'],
    ['/dev/null', 'BlockDevice', 'a block device'],
  ]
  for (const [path, type, refused] of cases) {
    const asked = prepareHostPath({ path, type })
    if (refused === undefined) assert.equal(await asked, path)
    else
      await assert.rejects(asked, {
        name: 'VolumeError',
        message: `hostPath type check failed: ${path} is not ${refused}`,
      })
  }
  assert.equal(readFileSync(at('file'), 'utf8'), 'kept')
  assert.deepEqual([statSync(at('new/deep')).isDirectory(), statSync(at('made/file')).size], [true, 0])
  await assert.rejects(prepareHostPath({ path: at('no/such/file'), type: 'FileOrCreate' }), { code: 'ENOENT' })
})

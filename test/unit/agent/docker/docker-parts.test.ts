import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { oomScoreAdj } from '../../../../src/agent/pod/oom-score.ts'
import { containerState, type InspectedContainer } from '../../../../src/agent/runtime/docker/container-state.ts'
import { containerStreams } from '../../../../src/agent/runtime/docker/container-streams.ts'
import { cpuQuotaUs, cpuShares } from '../../../../src/agent/runtime/docker/cpu-shares.ts'
import { engineError } from '../../../../src/agent/runtime/docker/engine-error.ts'
import { imagesToRemove } from '../../../../src/agent/runtime/docker/image-collector.ts'
import { jsonLines } from '../../../../src/agent/runtime/docker/json-lines.ts'
import { OutputFrames } from '../../../../src/agent/runtime/docker/output-frames.ts'
import { localRouteMessage } from '../../../../src/agent/runtime/docker/route-message.ts'
import { tarArchive } from '../../../../src/agent/runtime/docker/tar-archive.ts'
import { netlinkProgram, pauseProgram } from '../../../../src/agent/runtime/docker/tiny-program.ts'
import { cgroupPaths, usageV1, usageV2 } from '../../../../src/agent/usage/cgroup-usage.ts'
import { CounterLedger } from '../../../../src/agent/usage/counter-ledger.ts'
import { addressLayout } from '../../../../src/base/address-layout.ts'
import { onBridges } from '../../../../src/base/bridge-layout.ts'
import { chooseRuntime } from '../../../../src/cli/up/choose-runtime.ts'
import { routedRanges } from '../../../../src/cli/up/prepare-docker.ts'
import { UserError } from '../../../../src/cli/user-error.ts'

function frame(stream: number, content: string): Buffer {
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0])
  header.writeUInt32BE(Buffer.byteLength(content), 4)
  return Buffer.concat([header, Buffer.from(content)])
}

describe('output frames', () => {
  test('whatever the splits, every byte comes once, in order, on its stream', () => {
    const parts = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.string({ unit: 'binary-ascii', maxLength: 40 })))
    fc.assert(
      fc.property(parts, fc.array(fc.nat(20)), (given, splits) => {
        const whole = Buffer.concat(given.map(([stream, content]) => frame(stream, content)))
        const frames = new OutputFrames()
        const found = { stdout: '', stderr: '' }
        for (let at = 0, i = 0; at < whole.length; i++) {
          const size = 1 + (splits[i % Math.max(splits.length, 1)] ?? 7)
          for (const { stream, bytes } of frames.push(whole.subarray(at, at + size))) found[stream] += bytes.toString()
          at += size
        }
        const want = (stream: number): string =>
          given
            .filter(([s]) => s === stream)
            .map(([, c]) => c)
            .join('')
        assert.deepEqual(found, { stdout: want(1), stderr: want(2) })
      }),
    )
  })

  test('a reader of one stream that is behind holds the connection up, and loses nothing', async () => {
    const wire = new PassThrough()
    const connection = Duplex.from({ readable: wire, writable: new PassThrough() })
    const streams = containerStreams(connection, { stdin: false, tty: false, endsInput: false })
    const content = 'x'.repeat(50_000)
    const sent = Array.from({ length: 40 }, (_, i) => frame(1 + (i % 2), content))
    void (async () => {
      for (const one of sent) if (!wire.write(one)) await new Promise((resolve) => wire.once('drain', resolve))
      wire.end()
    })()
    const stderr = text(streams.stderr!)
    assert.ok(wire.writableLength + wire.readableLength < 2_000_000)
    const stdout = await text(streams.stdout)
    assert.deepEqual([stdout.length, (await stderr).length], [20 * 50_000, 20 * 50_000])
    await streams.ended
  })
})

describe('a container’s state', () => {
  const inspected = (state: Partial<InspectedContainer['State']>): InspectedContainer => ({
    Id: 'abc',
    Name: '/x',
    Created: '2026-01-01T00:00:00.5Z',
    Image: 'sha256:1',
    Config: { Labels: null, Tty: false, OpenStdin: false, StdinOnce: false },
    State: {
      Status: 'exited',
      Running: false,
      OOMKilled: false,
      Pid: 0,
      ExitCode: 0,
      Error: '',
      StartedAt: '2026-01-01T00:00:01Z',
      FinishedAt: '2026-01-01T00:00:02Z',
      ...state,
    },
  })
  const read = (state: Partial<InspectedContainer['State']>): readonly unknown[] => {
    const found = containerState(inspected(state), 'uid', { name: 'c', attempt: 1, image: 'i', messagePolicy: 'File' })
    return [found.phase, found.exitCode, found.reason, found.message]
  }
  const never = { Status: 'created', StartedAt: '0001-01-01T00:00:00Z', FinishedAt: '0001-01-01T00:00:00Z' }
  test('running', () =>
    assert.deepEqual(read({ Status: 'running', Running: true }), ['running', undefined, undefined, undefined]))
  test('paused counts as running', () => assert.equal(read({ Status: 'paused' })[0], 'running'))
  test('ended well', () => assert.deepEqual(read({}), ['exited', 0, 'Completed', undefined]))
  test('ended badly', () => assert.deepEqual(read({ ExitCode: 3 }), ['exited', 3, 'Error', undefined]))
  test('killed for its memory', () => assert.equal(read({ ExitCode: 137, OOMKilled: true })[2], 'OOMKilled'))
  test('never started: why', () =>
    assert.deepEqual(read({ ...never, ExitCode: 127, Error: 'no such file' }), [
      'exited',
      127,
      'StartError',
      'no such file',
    ]))
  test('an end before the start is the start', () => {
    const late = containerState(inspected({ FinishedAt: '2025-01-01T00:00:00Z' }), 'uid', {
      name: 'c',
      attempt: 0,
      image: '',
      messagePolicy: 'File',
    })
    assert.equal(late.finishedAtMs, late.startedAtMs)
  })
})

describe('resources in the kernel’s terms', () => {
  test('shares of a CPU', () => {
    assert.deepEqual([undefined, 0, 1, 250, 1000, 1e9].map(cpuShares), [2, 2, 2, 256, 1024, 262_144])
  })
  test('quota of each period', () => {
    assert.deepEqual([undefined, 0, 1, 500, 2500].map(cpuQuotaUs), [undefined, undefined, 1_000, 50_000, 250_000])
  })
  test('who goes first when memory runs short', () => {
    assert.equal(oomScoreAdj('Guaranteed', '1Gi', '2Gi'), -997)
    assert.equal(oomScoreAdj('BestEffort', undefined, '2Gi'), 1000)
    assert.equal(oomScoreAdj('Burstable', '1Gi', '2Gi'), 500)
    assert.equal(oomScoreAdj('Burstable', undefined, '2Gi'), 999)
    assert.equal(oomScoreAdj('Burstable', '4Gi', '2Gi'), 3)
    assert.equal(oomScoreAdj('Burstable', '1Gi', undefined), 999)
  })
})

describe('images that may go', () => {
  const image = (
    id: string,
    sizeBytes: number,
    usedAtMs: number,
  ): { id: string; sizeBytes: number; usedAtMs: number } => ({
    id,
    sizeBytes,
    usedAtMs,
  })
  const now = 1_000_000_000
  const images = [image('new', 50, now - 1_000), image('old', 30, 10), image('older', 30, 5), image('used', 90, 1)]
  const used = new Set(['used'])
  const removed = (availableBytes: number): readonly string[] =>
    imagesToRemove(images, used, { capacityBytes: 1_000, availableBytes }, now)
  test('none while there is room', () => assert.deepEqual(removed(151), []))
  test('the longest unused first, until there is room', () => {
    assert.deepEqual(removed(150), ['older', 'old'])
    assert.deepEqual(removed(0), ['older', 'old'])
    assert.deepEqual(
      imagesToRemove([image('big', 500, 1), image('b', 1, 2)], used, { capacityBytes: 1_000, availableBytes: 0 }, now),
      ['big'],
    )
  })
  test('none of a disk that cannot be seen', () =>
    assert.deepEqual(imagesToRemove(images, used, { capacityBytes: 0, availableBytes: 0 }, now), []))
})

describe('programs of our own', () => {
  test('an ELF file for each architecture, whose segment is the whole file', () => {
    for (const [architecture, machine] of [
      ['x64', 62],
      ['arm64', 183],
    ] as const)
      for (const program of [
        pauseProgram(architecture),
        netlinkProgram(architecture, localRouteMessage('10.70.0.0/17')),
      ]) {
        assert.equal(program.toString('latin1', 0, 4), '\x7fELF')
        assert.equal(program.readUInt16LE(18), machine)
        assert.equal(program.readBigUInt64LE(64 + 32), BigInt(program.length))
        assert.equal(program.readBigUInt64LE(24), 0x400000n + 120n)
      }
  })

  test('the netlink message asks for a local route', () => {
    const message = localRouteMessage('10.70.0.0/17')
    assert.equal(message.readUInt32LE(0), message.length)
    assert.deepEqual([...message.subarray(16, 24)], [2, 17, 0, 0, 255, 4, 254, 2])
    assert.deepEqual([...message.subarray(32, 36)], [10, 70, 0, 0])
  })

  test('here, one that asks the kernel without the right to is told so by its exit code', {
    skip: process.arch !== 'x64' && process.arch !== 'arm64',
  }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'wherry-program-'))
    try {
      const file = join(directory, 'netlink')
      writeFileSync(file, netlinkProgram(process.arch as 'x64', localRouteMessage('10.70.0.0/17')), { mode: 0o755 })
      const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534, cwd: '/' } : {}
      const made = process.getuid?.() === 0 ? spawnSync('chmod', ['755', directory]).status : 0
      assert.equal(made, 0)
      assert.equal(spawnSync(file, { ...user, timeout: 10_000 }).status, 1)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('tar reads the archive', () => {
    const archive = tarArchive({ pause: Buffer.from('content'), other: Buffer.alloc(512, 'x') })
    const listed = spawnSync('tar', ['--list', '--verbose', '--file', '-'], { input: archive })
    assert.match(listed.stdout.toString(), /-rwxr-xr-x (?:root\/root|0\/0) +7 .* pause\n-rwxr-xr-x \S+ +512 .* other\n/)
    assert.equal(listed.status, 0)
  })
})

describe('lines of JSON', () => {
  const read = async (...chunks: readonly string[]): Promise<readonly unknown[]> => {
    const stream = new PassThrough()
    for (const chunk of chunks) stream.write(chunk)
    stream.end()
    const found: unknown[] = []
    for await (const value of jsonLines(stream)) found.push(value)
    return found
  }
  test('in whatever pieces', async () =>
    assert.deepEqual(await read('{"a"', ':1}\r\n{"b":"ä', '"}\n\n3'), [{ a: 1 }, { b: 'ä' }, 3]))
  test('what is none is an error', () => assert.rejects(read('nonsense\n'), SyntaxError))
  test('a line without an end is an error, not a buffer', () =>
    assert.rejects(read('x'.repeat(2_000_000)), SyntaxError))
})

describe('what went wrong with an engine', () => {
  const said = (fields: object): string => engineError(Object.assign(new Error('m'), fields), 'unix:///s').message
  test('in words', () => {
    assert.equal(said({ code: 'ENOENT' }), 'nothing answers at unix:///s')
    assert.equal(said({ code: 'ECONNREFUSED' }), 'nothing answers at unix:///s')
    assert.equal(said({ code: 'EACCES' }), 'this user may not use unix:///s')
    assert.equal(said({ code: 'ABORT_ERR' }), 'no answer from unix:///s in time')
  })
  test('its own words stay', () => {
    const error = engineError(
      Object.assign(new Error('(HTTP code 404) no such container - No such container: x '), { statusCode: 404 }),
      'unix:///s',
    )
    assert.deepEqual([error.message, error.status, error.isUnavailable], ['No such container: x', 404, false])
  })
})

describe('usage from cgroups', () => {
  const V1 = '12:pids:/docker/abc\n5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n'
  test('where they are', () => {
    assert.deepEqual(cgroupPaths(V1), {
      version: 1,
      cpu: '/sys/fs/cgroup/cpuacct/docker/abc',
      memory: '/sys/fs/cgroup/memory/docker/abc',
      pids: '/sys/fs/cgroup/pids/docker/abc',
    })
    assert.deepEqual(cgroupPaths('0::/system.slice/docker-abc.scope\n'), {
      version: 2,
      cpu: '/sys/fs/cgroup/system.slice/docker-abc.scope',
      memory: '/sys/fs/cgroup/system.slice/docker-abc.scope',
      pids: '/sys/fs/cgroup/system.slice/docker-abc.scope',
    })
    for (const nothing of ['', '0::/\n', '0::/../../other\n', 'garbage']) assert.equal(cgroupPaths(nothing), undefined)
  })
  test('what they count', () => {
    assert.deepEqual(usageV1('123', '1000', 'rss 1\ntotal_rss 70\ntotal_inactive_file 300', '4'), {
      cpuNanoseconds: 123,
      workingSetBytes: 700,
      rssBytes: 70,
      processes: 4,
    })
    assert.deepEqual(usageV2('usage_usec 5\nuser_usec 3', '1000', 'anon 70\ninactive_file 1300', '4'), {
      cpuNanoseconds: 5_000,
      workingSetBytes: 0,
      rssBytes: 70,
      processes: 4,
    })
  })
  test('a counter goes on over restarts, never back, and is forgotten at last', () => {
    const ledger = new CounterLedger()
    const cpu = (nowMs: number, ...runs: readonly (readonly [string, number])[]): number | undefined =>
      ledger
        .take(
          runs.map(([run, cpuNanoseconds]) => ({
            key: 'k',
            run,
            usage: { cpuNanoseconds, workingSetBytes: 1, rssBytes: 1, processes: 1 },
          })),
          nowMs,
        )
        .get('k')?.cpuNanoseconds
    assert.equal(cpu(0, ['a', 100]), 100)
    assert.equal(cpu(1, ['a', 150]), 150)
    assert.equal(cpu(2), 150)
    assert.equal(cpu(3, ['b', 10]), 160)
    assert.equal(cpu(4, ['b', 5]), 160)
    assert.equal(cpu(5, ['b', 30]), 180)
    assert.equal(cpu(700_000), undefined)
  })
})

describe('a cluster on a bridge', () => {
  test('has the same layout in another range', () => {
    const layout = onBridges(addressLayout(70, 'x', 2))
    assert.deepEqual(
      [layout.clusterCidr, layout.serviceCidr, layout.loadBalancerCidr, layout.kubernetesServiceIp],
      ['10.70.0.0/16', '10.70.16.0/20', '10.70.32.0/24', '10.70.16.1'],
    )
    assert.deepEqual(layout.nodes[1], { name: 'x-2', address: '10.70.0.2', podCidr: '10.70.130.0/24' })
  })

  test('ranges that this machine reaches are read from its routing table, but for default routes', () => {
    const table = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t0000460A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
      '',
    ]
    assert.deepEqual(routedRanges(table.join('\n')), [{ first: (10 * 256 + 70) * 65_536, size: 65_536 }])
  })

  test('keeps its runtime', () => {
    const record = { runtime: 'docker', dockerHost: 'unix:///x' } as const
    assert.deepEqual(chooseRuntime({}, undefined, {}), { kind: 'process' })
    assert.deepEqual(chooseRuntime({}, record, { DOCKER_HOST: 'unix:///y' }), { kind: 'docker', host: 'unix:///x' })
    assert.deepEqual(chooseRuntime({ runtime: 'docker' }, undefined, { DOCKER_HOST: 'unix:///y' }), {
      kind: 'docker',
      host: 'unix:///y',
    })
    assert.deepEqual(chooseRuntime({ runtime: 'docker' }, undefined, { DOCKER_HOST: '' }), {
      kind: 'docker',
      host: 'unix:///var/run/docker.sock',
    })
    assert.throws(() => chooseRuntime({ runtime: 'docker' }, {}, {}), UserError)
    assert.throws(() => chooseRuntime({ runtime: 'process' }, record, {}), UserError)
    assert.throws(() => chooseRuntime({ dockerHost: 'unix:///x' }, undefined, {}), UserError)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  COMMAND_PROTOCOLS,
  channelMessage,
  readChannelMessage,
} from '../../../../src/agent/kubelet/streaming/channel-protocol.ts'
import { chooseProtocol, NoProtocolError } from '../../../../src/agent/kubelet/streaming/choose-protocol.ts'
import { outcomeText } from '../../../../src/agent/kubelet/streaming/command-outcome.ts'
import { parseStreamRequest } from '../../../../src/agent/kubelet/streaming/stream-request.ts'
import { TerminalSizes } from '../../../../src/agent/kubelet/streaming/terminal-sizes.ts'

describe('channels', () => {
  for (const protocol of COMMAND_PROTOCOLS)
    test(`"${protocol.name}": what is sent is what is read`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 9 }), fc.uint8Array(), (channel, bytes) => {
          const message = Buffer.from(channelMessage(protocol, channel, bytes))
          assert.deepEqual(readChannelMessage(protocol, message), { kind: 'data', channel, data: Buffer.from(bytes) })
        }),
      )
    })

  const [v5, v4, v4Base64] = COMMAND_PROTOCOLS
  const rows = [
    { name: 'bytes', protocol: v4!, message: '016869', want: { kind: 'data', channel: 1, data: Buffer.from('hi') } },
    {
      name: 'base64',
      protocol: v4Base64!,
      message: Buffer.from('0aGk=').toString('hex'),
      want: { kind: 'data', channel: 0, data: Buffer.from('hi') },
    },
    { name: 'the end of a channel in version 5', protocol: v5!, message: 'ff00', want: { kind: 'end', channel: 0 } },
    { name: 'no such thing in version 4', protocol: v4!, message: 'ff00', want: undefined },
    { name: 'an end of nothing', protocol: v5!, message: 'ff', want: undefined },
    { name: 'an empty message', protocol: v5!, message: '', want: undefined },
    { name: 'a channel below the digits', protocol: v4Base64!, message: '2061', want: undefined },
  ]
  for (const { name, protocol, message, want } of rows)
    test(name, () => assert.deepEqual(readChannelMessage(protocol, Buffer.from(message, 'hex')), want))
})

test('the end of a command, as each version tells it', () => {
  assert.equal(outcomeText({ kind: 'exited', exitCode: 0 }, 4), '{"metadata":{},"status":"Success"}')
  assert.deepEqual(JSON.parse(outcomeText({ kind: 'exited', exitCode: 3 }, 5)), {
    metadata: {},
    status: 'Failure',
    message: 'command terminated with non-zero exit code: exit status 3',
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
  })
  const failed = JSON.parse(outcomeText({ kind: 'failed', message: 'why' }, 4))
  assert.deepEqual([failed.status, failed.reason, failed.message], ['Failure', 'InternalError', 'why'])
  assert.equal(outcomeText({ kind: 'exited', exitCode: 0 }, 1), '')
  assert.equal(outcomeText({ kind: 'exited', exitCode: 3 }, 1), 'command terminated with exit code 3')
})

test('terminal sizes, cut anywhere, nonsense passed over', () => {
  const text =
    '{"Width":80,"Height":24}\n{"Width":0,"Height":5}{"Width":132,"Height":43}nonsense}[]{"Width":1,"Height":99999}'
  const want = [
    { columns: 80, rows: 24 },
    { columns: 132, rows: 43 },
    { columns: 1, rows: 65_535 },
  ]
  // The object after the nonsense is lost with it.
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const sizes = new TerminalSizes()
      const points = [0, ...cuts.toSorted((a, b) => a - b), text.length]
      const got = points.flatMap((from, i) => sizes.push(Buffer.from(text.slice(from, points[i + 1] ?? text.length))))
      assert.deepEqual(got, want.slice(0, got.length))
      assert.ok(got.length >= 2)
    }),
  )
  const sizes = new TerminalSizes()
  for (let i = 0; i < 100; i++) assert.deepEqual(sizes.push(Buffer.alloc(1_000, 'x')), [])
  assert.deepEqual(sizes.push(Buffer.from('}{"Width":8,"Height":2}')), [{ columns: 8, rows: 2 }])
})

describe('requests', () => {
  test('exec, with every word of the command as it is', () => {
    assert.deepEqual(
      parseStreamRequest('/exec/ns/web/app?command=sh&command=-c&command=a%20%26%20b&input=1&output=1&error=1'),
      {
        kind: 'exec',
        namespace: 'ns',
        pod: 'web',
        container: 'app',
        command: ['sh', '-c', 'a & b'],
        streams: { stdin: true, stdout: true, stderr: true, tty: false },
      },
    )
  })
  test('a terminal has one output', () => {
    const asked = parseStreamRequest('/attach/ns/web/app?output=1&error=1&tty=1')
    assert.deepEqual('streams' in asked && asked.streams, { stdin: false, stdout: true, stderr: false, tty: true })
  })
  test('ports', () => {
    const want = { kind: 'portForward', namespace: 'ns', pod: 'web', ports: [80, 8080] }
    assert.deepEqual(parseStreamRequest('/portForward/ns/web?port=80&port=8080'), want)
  })
  for (const [url, status] of [
    ['/exec/ns/web/app?output=1', 400],
    ['/exec/ns/web/app?command=&output=1', 400],
    ['/exec/ns/web/app?command=true', 400],
    ['/exec/ns/web?command=true&output=1', 404],
    ['/exec/ns/web/app/more?command=true&output=1', 404],
    ['/exec/ns/..%2f..%2fetc/app?command=true&output=1', 404],
    ['/exec/ns/%2e%2e/app?command=true&output=1', 404],
    ['/exec//web/app?command=true&output=1', 404],
    ['/run/ns/web/app?command=true&output=1', 404],
    ['/portForward/ns/web?port=0', 400],
    ['/portForward/ns/web?port=65536', 400],
    ['/portForward/ns/web?port=1e2', 400],
    ['/portForward/ns/web/app', 404],
    [`/portForward/ns/web?${'port=1&'.repeat(33)}`, 400],
    ['/', 404],
  ] as const)
    test(`${url.slice(0, 60)} is ${status}`, () =>
      assert.throws(() => parseStreamRequest(url), { name: 'NodeRequestError', status }))
})

describe('protocols', () => {
  const spdy = (versions?: string): Record<string, string> => ({
    upgrade: 'SPDY/3.1',
    ...(versions === undefined ? {} : { 'x-stream-protocol-version': versions }),
  })
  const socket = (protocols?: string): Record<string, string> => ({
    upgrade: 'websocket',
    ...(protocols === undefined ? {} : { 'sec-websocket-protocol': protocols }),
  })
  const nameOf = (headers: Record<string, string>, kind: 'exec' | 'portForward'): string => {
    const protocol = chooseProtocol(headers, kind)
    return `${protocol.kind} ${protocol.kind === 'channels' ? protocol.channels.name : protocol.name}`
  }
  for (const [headers, kind, want] of [
    [spdy('v5.channel.k8s.io, v4.channel.k8s.io, v3.channel.k8s.io, channel.k8s.io'), 'exec', 'spdy v4.channel.k8s.io'],
    [spdy('v2.channel.k8s.io, channel.k8s.io'), 'exec', 'spdy v2.channel.k8s.io'],
    [spdy(), 'exec', 'spdy '],
    [spdy('portforward.k8s.io'), 'portForward', 'spdy portforward.k8s.io'],
    [socket('v5.channel.k8s.io'), 'exec', 'channels v5.channel.k8s.io'],
    [socket('v4.base64.channel.k8s.io, v4.channel.k8s.io'), 'exec', 'channels v4.base64.channel.k8s.io'],
    [socket(), 'exec', 'channels '],
    [socket('SPDY/3.1+portforward.k8s.io'), 'portForward', 'tunnel SPDY/3.1+portforward.k8s.io'],
    [socket('v4.channel.k8s.io'), 'portForward', 'channels v4.channel.k8s.io'],
  ] as const)
    test(`${kind} with ${JSON.stringify(headers)}`, () => assert.equal(nameOf(headers, kind), want))
  for (const [headers, kind] of [
    [spdy('v9.channel.k8s.io'), 'exec'],
    [spdy('v4.channel.k8s.io'), 'portForward'],
    [socket('SPDY/3.1+portforward.k8s.io'), 'exec'],
    [socket('chat'), 'exec'],
    [{ upgrade: 'h2c' }, 'exec'],
    [{}, 'exec'],
  ] as const)
    test(`${kind} is refused with ${JSON.stringify(headers)}`, () =>
      assert.throws(() => chooseProtocol(headers, kind), NoProtocolError))
})

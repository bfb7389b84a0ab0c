import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import type { Endpoint } from '../../../../src/proxy/table/routing-table.ts'
import { IP, POD, startLab, until } from '../proxy-fixture.ts'
import { httpListener, OPTIONS } from './http-fixture.ts'

// A gRPC client keeps one connection for as long as it lives; behind kube-proxy all its calls go to one pod
// (kubernetes #38456).
const METHOD = {
  path: '/test.Who/Am',
  requestStream: false,
  responseStream: false,
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
} as const

interface GrpcPod {
  readonly endpoint: Endpoint
  /** Answers the calls that wait. */
  release(): void
  readonly waiting: number
}

/** Answers with its name; what asks it to wait, when the test says so. */
async function startGrpcPod(t: TestContext, name: string, address: string): Promise<GrpcPod> {
  const server = new grpc.Server()
  const waiting: (() => void)[] = []
  server.addService(
    { am: METHOD },
    {
      am(call: grpc.ServerUnaryCall<string, string>, callback: grpc.sendUnaryData<string>) {
        if (call.request === 'wait') waiting.push(() => callback(null, name))
        else if (call.request === 'fail') callback({ code: grpc.status.UNAVAILABLE, details: name })
        else callback(null, name)
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${address}:0`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  t.after(() => server.forceShutdown())
  return {
    endpoint: { address, port, nodeName: undefined, pod: name },
    release() {
      for (const answer of waiting.splice(0)) answer()
    },
    get waiting() {
      return waiting.length
    },
  }
}

function startGrpcClient(t: TestContext, port: number): (request?: string) => Promise<string> {
  const client = new grpc.Client(`${IP}:${port}`, grpc.credentials.createInsecure())
  t.after(() => client.close())
  return (request = 'who') =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(
        METHOD.path,
        METHOD.requestSerialize,
        METHOD.responseDeserialize,
        request,
        { deadline: Date.now() + 10_000 },
        (error, value) => (error === null ? resolve(value!) : reject(error)),
      ),
    )
}

test('calls of one gRPC connection are spread over the pods, and follow them as they come and go', async (t) => {
  const lab = await startLab(t)
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name, i) => startGrpcPod(t, name, POD(i + 1))))
  const http = { ...OPTIONS, protocol: 'h2c' } as const
  const go = (pods: readonly GrpcPod[], ending?: readonly string[]): Promise<void> =>
    lab.go(
      [
        httpListener(
          lab.port,
          pods.map(({ endpoint }) => endpoint),
          { http },
        ),
      ],
      ending,
    )
  await go([a!, b!])
  const ask = startGrpcClient(t, lab.port)
  const answers = async (count: number): Promise<string> => {
    const found: string[] = []
    for (let i = 0; i < count; i++) found.push(await ask())
    return found.sort().join('')
  }
  assert.equal(await answers(4), 'aabb')
  // One that leaves with a call under way answers it.
  const calls = [ask('wait'), ask('wait')]
  await until(() => a!.waiting === 1 && b!.waiting === 1, 'a call that waits on each')
  await go([b!, c!], [POD(1)])
  assert.equal(lab.dataplane.active(POD(1)), 1)
  assert.equal(await answers(4), 'bbcc')
  a!.release()
  b!.release()
  assert.deepEqual((await Promise.all(calls)).sort(), ['a', 'b'])
  assert.equal(lab.dataplane.active(POD(1)), 0)
  await assert.rejects(ask('fail'), { code: grpc.status.UNAVAILABLE })
  assert.equal(lab.dataplane.http!.connections, 1)
})

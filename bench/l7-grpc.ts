import * as grpc from '@grpc/grpc-js'
import type { LoadFigures } from './l7-load.ts'
import { percentile } from './percentile.ts'

const HOST = '127.0.0.1'
const bytes = (value: Buffer): Buffer => value
const SERVICE = {
  echo: {
    path: '/bench.Echo/Echo',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
} satisfies grpc.ServiceDefinition

/** Answers each unary call with what it was asked. */
export async function runGrpcServer(port: number): Promise<void> {
  const server = new grpc.Server()
  server.addService(SERVICE, {
    echo(call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) {
      callback(null, call.request)
    },
  })
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${HOST}:${port}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
}

export interface GrpcLoad {
  readonly port: number
  readonly channels: number
  /** Calls under way at once, over all channels. */
  readonly calls: number
  readonly bytes: number
  readonly seconds: number
}

/** A closed loop of unary calls; all of its time is counted, from the first call to the last answer. */
export async function loadGrpc({ port, channels, calls, bytes: size, seconds }: GrpcLoad): Promise<LoadFigures> {
  const clients = Array.from(
    { length: channels },
    () =>
      // Clients of one address share a connection otherwise.
      new grpc.Client(`${HOST}:${port}`, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 }),
  )
  const request = Buffer.alloc(size, 'x')
  const tookMs: number[] = []
  let errors = 0
  const beganMs = performance.now()
  const endMs = beganMs + seconds * 1_000
  const call = (client: grpc.Client): Promise<boolean> =>
    new Promise((resolve) => {
      const deadline = Date.now() + 10_000
      client.makeUnaryRequest(SERVICE.echo.path, bytes, bytes, request, { deadline }, (error, answer) =>
        resolve(error === null && answer?.length === size),
      )
    })
  const ask = async (client: grpc.Client): Promise<void> => {
    while (performance.now() < endMs) {
      const askedMs = performance.now()
      if (await call(client)) tookMs.push(performance.now() - askedMs)
      else errors += 1
    }
  }
  await Promise.all(Array.from({ length: calls }, (_, i) => ask(clients[i % channels]!)))
  const ranSeconds = (performance.now() - beganMs) / 1_000
  for (const client of clients) client.close()
  const ascending = Float64Array.from(tookMs).sort()
  return {
    requests: ascending.length,
    seconds: ranSeconds,
    errors,
    p50Ms: percentile(ascending, 0.5),
    p99Ms: percentile(ascending, 0.99),
    p999Ms: percentile(ascending, 0.999),
  }
}

import { connect } from 'node:http2'
import { connectionMessage } from './http-probe.ts'
import type { ProbeResult } from './probe-result.ts'

/** `grpc.health.v1.HealthCheckResponse.ServingStatus` by number. */
const STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const UNIMPLEMENTED = '12'
const ANSWER_BYTES_MAX = 4096

/** A HealthCheckRequest in a gRPC message frame: field 1, the service's name. */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const length: number[] = []
  for (let rest = name.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest <= 127) break
  }
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...length]), name])
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** The status in a framed HealthCheckResponse; proto3 leaves out 0, so an empty message is UNKNOWN. */
export function decodeHealthResponse(frame: Buffer): string | undefined {
  if (frame.length < 5 || frame[0] !== 0 || frame.length < 5 + frame.readUInt32BE(1)) return undefined
  const message = frame.subarray(5, 5 + frame.readUInt32BE(1))
  if (message.length === 0) return STATUS[0]
  return message[0] === 0x08 && message.length >= 2 ? (STATUS[message[1]!] ?? String(message[1])) : undefined
}

/** The health check of gRPC (grpc.health.v1.Health/Check) over cleartext HTTP/2. */
export function grpcProbe(host: string, port: number, service: string, timeoutMs: number): Promise<ProbeResult> {
  const address = `${host}:${port}`
  return new Promise((resolve) => {
    const session = connect(`http://${address}`)
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer)
      session.destroy()
      resolve(result)
    }
    const fail = (output: string): void => finish({ ok: false, output })
    const unreachable = (why: string): void =>
      fail(`timeout: failed to connect service "${address}" within ${timeoutMs / 1000}s: ${why}`)
    const timer = setTimeout(() => unreachable('context deadline exceeded'), Math.max(1, timeoutMs))
    session.on('error', (error) => unreachable(connectionMessage(error, address)))
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'kube-probe/1.36',
    })
    let answer = Buffer.alloc(0)
    let grpcStatus: string | undefined
    stream.on('response', (headers) => {
      grpcStatus = headers['grpc-status'] as string | undefined
    })
    stream.on('trailers', (trailers) => {
      grpcStatus = trailers['grpc-status'] as string | undefined
    })
    stream.on('data', (chunk: Buffer) => {
      if (answer.length < ANSWER_BYTES_MAX) answer = Buffer.concat([answer, chunk])
    })
    stream.on('error', (error) => unreachable(connectionMessage(error, address)))
    stream.on('end', () => {
      if (grpcStatus === UNIMPLEMENTED)
        return fail(
          `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${address}`,
        )
      if (grpcStatus !== undefined && grpcStatus !== '0')
        return fail(`error: health rpc probe failed: code ${grpcStatus}`)
      const status = decodeHealthResponse(answer)
      if (status === 'SERVING') return finish({ ok: true, output: 'service healthy' })
      fail(`service unhealthy (responded with ${JSON.stringify(status ?? 'an unreadable answer')})`)
    })
    stream.end(encodeHealthRequest(service))
  })
}

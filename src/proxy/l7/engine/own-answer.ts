import { STATUS_CODES } from 'node:http'

const ALLOW = 'Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n'

/** An answer of the proxy's own: short, with the reason's name in the body and in `x-wherry-error`. */
export function ownAnswer(status: number, code: string, withoutBody: boolean, closes: boolean): Buffer {
  const body = `${code}\n`
  const allow = status === 405 ? ALLOW : ''
  return Buffer.from(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n` +
      `Date: ${new Date().toUTCString()}\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n` +
      `x-wherry-error: ${code}\r\n${allow}${closes ? 'Connection: close\r\n' : ''}\r\n${withoutBody ? '' : body}`,
    'latin1',
  )
}

/** The same for HTTP/2: header lines with an empty one at their end. A gRPC call (`grpcCode` not -1) gets no body. */
export function ownAnswerLines(
  status: number,
  code: string,
  grpcCode: number,
): { readonly lines: Buffer; readonly body: Buffer } {
  const body = grpcCode === -1 ? `${code}\n` : ''
  const about =
    grpcCode === -1
      ? `content-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\n`
      : `content-type: application/grpc\r\ngrpc-status: ${grpcCode}\r\ngrpc-message: ${code}\r\n`
  const allow = status === 405 ? ALLOW : ''
  const date = new Date().toUTCString()
  return {
    lines: Buffer.from(`${about}date: ${date}\r\nx-wherry-error: ${code}\r\n${allow}\r\n`, 'latin1'),
    body: Buffer.from(body, 'latin1'),
  }
}

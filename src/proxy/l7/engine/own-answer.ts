import { STATUS_CODES } from 'node:http'

/** An answer of the proxy's own: short, with the reason's name in the body and in `x-wherry-error`. */
export function ownAnswer(status: number, code: string, withoutBody: boolean, closes: boolean): Buffer {
  const body = `${code}\n`
  const allow = status === 405 ? 'Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n' : ''
  return Buffer.from(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n` +
      `Date: ${new Date().toUTCString()}\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n` +
      `x-wherry-error: ${code}\r\n${allow}${closes ? 'Connection: close\r\n' : ''}\r\n${withoutBody ? '' : body}`,
    'latin1',
  )
}

import type { ReadMessage } from './read-all.ts'

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const REQUEST_LINE = /^(?:\r\n)?([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21\x22\x24-\x7e]+) HTTP\/1\.([01])\r\n/
const HEADER_LINE = new RegExp(`^(${TOKEN}):([\\t\\x20-\\x7e\\x80-\\xff]*)\\r\\n`)
const HOST = /^(\[[0-9A-Za-z:.%~!$&'()*+;=_-]+\]|[0-9A-Za-z.%~!$&'()*+;=_-]+)(:[0-9]*)?$/
const EXTENSION = new RegExp(
  `;${TOKEN}(?:=(?:${TOKEN}|"(?:[\\t\\x20\\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"))?`,
)
const CHUNK_LINE = new RegExp(`^([0-9A-Fa-f]{1,12})((?:${EXTENSION.source})*)\\r\\n`)
const NEVER_UNDERSCORED = ['host', 'content-length', 'transfer-encoding', 'connection', 'expect', 'upgrade']
const KNOWN =
  'host content-length transfer-encoding connection keep-alive proxy-connection te trailer upgrade http2-settings expect proxy-authorization proxy-authenticate proxy via forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-request-id traceparent tracestate authorization content-encoding content-type content-range cookie set-cookie'.split(
    ' ',
  )
const NOT_NOMINABLE =
  'host content-length transfer-encoding connection expect trailer via forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port'.split(
    ' ',
  )

/**
 * Reads a whole input as requests, slowly and plainly, straight from the grammar of RFC 9110 and RFC 9112 and the
 * choices that the proxy makes within them. Stops at the first thing that is refused or not all there.
 */
export function referenceRequests(input: string): readonly ReadMessage[] {
  const messages: ReadMessage[] = []
  let at = 0
  for (;;) {
    const message = requestAt(input, at)
    if (message === undefined) return messages
    messages.push(message)
    at = message.end
  }
}

function requestAt(input: string, at: number): ReadMessage | undefined {
  const line = REQUEST_LINE.exec(input.slice(at))
  if (line === null) return undefined
  const [whole, method, target, minor] = line as unknown as [string, string, string, string]
  let p = at + whole.length
  const headers: [string, string][] = []
  while (!input.startsWith('\r\n', p)) {
    const header = HEADER_LINE.exec(input.slice(p))
    if (header === null) return undefined
    headers.push([header[1]!.toLowerCase(), header[2]!.replace(/^[ \t]+|[ \t]+$/g, '')])
    p += header[0].length
  }
  p += 2
  if (p - at > 16_384 || headers.length > 100 || target.length > 8_192) return undefined
  if (!isGoodTarget(method, target)) return undefined
  const values = (name: string): string[] => headers.filter(([n]) => n === name).map(([, value]) => value)
  for (const name of ['host', 'content-length', 'transfer-encoding', 'expect', 'upgrade']) {
    if (values(name).length > 1) return undefined
  }
  if (headers.some(([name]) => name.includes('_') && NEVER_UNDERSCORED.includes(name.replaceAll('_', '-'))))
    return undefined
  const [host] = values('host')
  if (host === undefined ? minor === '1' : host !== '' && !HOST.test(host)) return undefined
  const [length] = values('content-length')
  const [encoding] = values('transfer-encoding')
  const [expect] = values('expect')
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') return undefined
  if (encoding !== undefined && (length !== undefined || minor === '0' || encoding.toLowerCase() !== 'chunked')) {
    return undefined
  }
  if (length !== undefined && !/^(0|[1-9][0-9]{0,14})$/.test(length)) return undefined
  const hasBody = encoding !== undefined || Number(length ?? 0) > 0
  if (!isGoodConnection(values('connection'), values('upgrade')[0], method, minor, hasBody)) return undefined
  const startLine = `${method} ${target} HTTP/1.${minor}`
  if (encoding !== undefined) {
    const body = chunkedAt(input, p)
    return body === undefined ? undefined : { startLine, headEnd: p, ...body }
  }
  const end = p + Number(length ?? 0)
  return end > input.length ? undefined : { startLine, headEnd: p, end, content: input.slice(p, end) }
}

function isGoodTarget(method: string, target: string): boolean {
  if (method === 'CONNECT' || method === 'TRACE') return false
  if (target.startsWith('/')) return true
  if (target === '*') return method === 'OPTIONS'
  const absolute = /^http:\/\/([^/?]+)(\/|$)/i.exec(target)
  return absolute !== null && HOST.test(absolute[1]!)
}

function isGoodConnection(
  values: readonly string[],
  upgrade: string | undefined,
  method: string,
  minor: string,
  hasBody: boolean,
): boolean {
  const options = values
    .flatMap((value) => value.split(','))
    .map((option) => option.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase())
    .filter((option) => option !== '')
  let nominated = 0
  for (const option of options) {
    if (!new RegExp(`^${TOKEN}$`).test(option) || NOT_NOMINABLE.includes(option.replaceAll('_', '-'))) return false
    const anyway = ['close', 'keep-alive', 'te', 'upgrade', 'http2-settings', 'proxy-connection', 'proxy']
    if (!anyway.includes(option) && !anyway.slice(1).includes(option.replaceAll('_', '-'))) nominated += 1
  }
  if (nominated > 16) return false
  if (upgrade === undefined || minor === '0' || !options.includes('upgrade')) return true
  const offers = upgrade
    .split(',')
    .map((offer) => offer.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((offer) => offer !== '')
  if (offers.length === 0 || offers[0]!.toLowerCase() === 'h2c') return true
  if (offers.length > 1 || hasBody || !/^[!#$%&'*+.^_`|~0-9A-Za-z/-]+$/.test(offers[0]!)) return false
  return offers[0]!.toLowerCase() !== 'websocket' || method === 'GET'
}

function chunkedAt(input: string, at: number): { end: number; content: string } | undefined {
  let p = at
  let content = ''
  let extensions = 0
  for (;;) {
    const line = CHUNK_LINE.exec(input.slice(p))
    if (line === null) return undefined
    // The semicolon that opens a line's extensions is not counted, the line's CR is.
    extensions += line[2]!.length
    if (extensions > 4_096) return undefined
    p += line[0].length
    const size = Number.parseInt(line[1]!, 16)
    if (size === 0) break
    if (input.length < p + size + 2 || input.slice(p + size, p + size + 2) !== '\r\n') return undefined
    content += input.slice(p, p + size)
    p += size + 2
  }
  const start = p
  while (!input.startsWith('\r\n', p)) {
    const header = HEADER_LINE.exec(input.slice(p))
    if (header === null || KNOWN.includes(header[1]!.toLowerCase().replaceAll('_', '-'))) return undefined
    p += header[0].length
  }
  return p + 2 - start > 8_192 ? undefined : { end: p + 2, content }
}

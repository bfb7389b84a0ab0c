import type { Readable } from 'node:stream'

const LINE_BYTES_MAX = 1024 * 1024

/** The values of a stream with one JSON text a line. Throws SyntaxError for a line that is none, or endless. */
export async function* jsonLines<T>(stream: Readable): AsyncGenerator<T, void, undefined> {
  let rest = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    if (rest.length > LINE_BYTES_MAX) throw new SyntaxError('a line without an end')
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as T
}

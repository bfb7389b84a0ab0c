/** Splits a byte stream into JSON values, one a line; a line may span any number of chunks. */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const searched = rest.length
    rest += decoder.decode(chunk, { stream: true })
    let start = 0
    for (let end = rest.indexOf('\n', searched); end >= 0; end = rest.indexOf('\n', start)) {
      const line = rest.slice(start, end)
      start = end + 1
      if (line !== '') yield JSON.parse(line)
    }
    rest = rest.slice(start)
  }
  if (rest.trim() !== '') yield JSON.parse(rest)
}

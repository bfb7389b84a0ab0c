/** All of a body. Rejects as soon as it is longer than `bytesMax`, and says so of `what`. */
export async function readBounded(body: AsyncIterable<Uint8Array>, bytesMax: number, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new Error(`${what} is longer than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

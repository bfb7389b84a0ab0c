/** Tag (of one byte: field numbers up to 15) and length (below 2^32) before a length-delimited value. */
export function lengthPrefix(tag: number, length: number): Buffer {
  const bytes = [tag]
  let rest = length
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}

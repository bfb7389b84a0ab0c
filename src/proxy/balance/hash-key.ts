/**
 * 32-bit hashes (FNV-1a with MurmurHash3's finalizer, so that the low bits are as good as the high ones). The same on
 * every node for the same seed: that is what lets all proxies agree on an endpoint. Not for secrets or for hash
 * tables an attacker may fill.
 */
const FNV_OFFSET = 0x811c_9dc5
const FNV_PRIME = 0x0100_0193

/** MurmurHash3's 32-bit finalizer: every bit of the input moves about half of the output's. Unsigned. */
export function mix32(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Of a string's UTF-16 code units; for ASCII text the same as `hashBytes` of its bytes. */
export function hashText(text: string, seed = 0): number {
  let h = FNV_OFFSET ^ seed
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), FNV_PRIME)
  return mix32(h)
}

/** Of `bytes` from `start` up to `end`: a header's value where it lies, without making a string. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  let h = FNV_OFFSET ^ seed
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, FNV_PRIME)
  return mix32(h)
}

/** 16 bytes as RFC 5952 §4 writes them: lower case, the longest run of two or more zero groups as `::`. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(bytes[i]! * 256 + bytes[i + 1]!)
  let longestAt = -1
  let longest = 1
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && groups[end] === 0) end++
    if (end - i > longest) {
      longest = end - i
      longestAt = i
    }
    i = Math.max(i, end)
  }
  const text = (some: readonly number[]): string => some.map((group) => group.toString(16)).join(':')
  if (longestAt === -1) return text(groups)
  return `${text(groups.slice(0, longestAt))}::${text(groups.slice(longestAt + longest))}`
}

import type { ResourceQuota } from '../../api/types/core-v1.gen.ts'
import { parseAmounts } from './amounts.ts'

/** Whether a quota now lets something through that it refused: it leaves more of anything, or is about something else. */
export function hasMoreRoom(previous: ResourceQuota, next: ResourceQuota): boolean {
  const [hardBefore, hardNow] = [parseAmounts(previous.status?.hard), parseAmounts(next.status?.hard)]
  const [usedBefore, usedNow] = [parseAmounts(previous.status?.used), parseAmounts(next.status?.used)]
  for (const [name, { nano }] of hardBefore) {
    const now = hardNow.get(name)?.nano
    // What is limited no longer, or counted for the first time.
    if (now === undefined || (usedNow.has(name) && !usedBefore.has(name))) return true
    if (now - (usedNow.get(name)?.nano ?? 0n) > nano - (usedBefore.get(name)?.nano ?? 0n)) return true
  }
  return false
}

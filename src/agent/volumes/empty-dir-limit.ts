import { quantityToNumber } from '../../api/quantity.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'

/** The pod's emptyDirs that may not grow without end, by name: their `sizeLimit`. Zero means no limit. */
export function sizeLimits(pod: Pod): ReadonlyMap<string, string> {
  const limits = new Map<string, string>()
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = emptyDir?.sizeLimit
    if (limit !== undefined && quantityToNumber(limit) > 0) limits.set(name, limit)
  }
  return limits
}

/** The kubelet's words for a pod that is evicted because of a volume; undefined while it keeps the limit. */
export function overLimitMessage(volume: string, sizeLimit: string, usedBytes: number): string | undefined {
  return usedBytes > quantityToNumber(sizeLimit)
    ? `Usage of EmptyDir volume "${volume}" exceeds the limit "${sizeLimit}". `
    : undefined
}

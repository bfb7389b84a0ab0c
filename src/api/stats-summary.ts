/** CPU in the kubelet's Summary (stats/v1alpha1). The counter is in nanoseconds of one core and never goes back. */
export interface CpuStats {
  readonly time: string
  readonly usageNanoCores?: number
  readonly usageCoreNanoSeconds?: number
}

export interface MemoryStats {
  readonly time: string
  readonly availableBytes?: number
  readonly usageBytes?: number
  readonly workingSetBytes?: number
  readonly rssBytes?: number
}

export interface ContainerStats {
  readonly name: string
  readonly startTime: string
  readonly cpu?: CpuStats
  readonly memory?: MemoryStats
}

export interface PodStats {
  readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string }
  readonly startTime: string
  readonly containers: readonly ContainerStats[]
  readonly cpu?: CpuStats
  readonly memory?: MemoryStats
  readonly process_stats?: { readonly process_count: number }
}

export interface FsStats {
  readonly time: string
  readonly availableBytes: number
  readonly capacityBytes: number
  readonly usedBytes: number
  readonly inodesFree: number
  readonly inodes: number
  readonly inodesUsed: number
}

/** What `/stats/summary` of a node answers: kubelet's JSON, as far as there is something to tell. */
export interface StatsSummary {
  readonly node: {
    readonly nodeName: string
    readonly startTime: string
    readonly cpu?: CpuStats
    readonly memory?: MemoryStats
    readonly fs?: FsStats
  }
  readonly pods: readonly PodStats[]
}

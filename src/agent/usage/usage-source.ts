/** What one container has used, over all its attempts, and holds now. */
export interface ContainerUsage {
  /** Nanoseconds of one core since it was first looked at; never goes back, also not when the container is restarted. */
  readonly cpuNanoseconds: number
  /** What counts against the container: the number that limits and autoscalers compare. */
  readonly workingSetBytes: number
  /** The part of it that belongs to no file. */
  readonly rssBytes: number
  readonly processes: number
}

/**
 * Where the usage of containers comes from: /proc for the process runtime; cgroups or an engine's statistics for others.
 * One `read` covers every container of the machine, by `usageKey`.
 */
export interface UsageSource {
  read(): Promise<ReadonlyMap<string, ContainerUsage>>
}

/** A container through all its attempts: its pod's uid and its name. */
export function usageKey(podUid: string, container: string): string {
  return `${podUid}/${container}`
}

/** CPU in nanoseconds since the start, working set in bytes. */
export type Point = readonly [cpuNanoseconds: number, workingSetBytes: number]

function stats(atMs: number, [usageCoreNanoSeconds, workingSetBytes]: Point): object {
  const time = new Date(atMs).toISOString()
  return { cpu: { time, usageCoreNanoSeconds }, memory: { time, workingSetBytes } }
}

/** What a node would answer: pod's uid → container → point. */
export function summary(
  atMs: number,
  pods: Readonly<Record<string, Readonly<Record<string, Point>>>>,
  node: Point = [0, 0],
): string {
  return JSON.stringify({
    node: { nodeName: 'n', ...stats(atMs, node) },
    pods: Object.entries(pods).map(([uid, containers]) => ({
      podRef: { uid, name: 'p', namespace: 'default' },
      containers: Object.entries(containers).map(([name, point]) => ({ name, ...stats(atMs, point) })),
    })),
  })
}

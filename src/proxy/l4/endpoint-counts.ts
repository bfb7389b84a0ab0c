import type { Endpoint } from '../table/routing-table.ts'

/** Places in `EndpointCounts.counts`: connections (sessions of UDP) open now, and all there have been. */
export const OPEN = 0
export const CONNECTED = 1
/** From clients to the endpoint. */
export const RECEIVED = 2
export const SENT = 3
const COUNTS = 4

/** What is counted of one endpoint of one Service port; a typed array, so that counting allocates nothing. */
export class EndpointCounts {
  /** `address:port` */
  readonly name: string
  readonly pod: string | undefined
  readonly counts = new Float64Array(COUNTS)

  constructor(name: string, pod: string | undefined) {
    this.name = name
    this.pod = pod
  }

  opened(): void {
    this.counts[OPEN]! += 1
    this.counts[CONNECTED]! += 1
  }

  closed(): void {
    this.counts[OPEN]! -= 1
  }
}

export function endpointName({ address, port }: Endpoint): string {
  return `${address}:${port}`
}

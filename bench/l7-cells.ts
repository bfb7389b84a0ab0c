/** What the comparison of HTTP proxies measures: a base point and what is changed about it, or the product of it all. */

export interface Cell {
  readonly connections: number
  readonly bytes: number
  readonly isKept: boolean
  readonly endpoints: number
  readonly isTls: boolean
  /** Sent with each request as a POST; 0: a GET. */
  readonly bodyBytes: number
  readonly protocol: 'HTTP/1.1' | 'gRPC'
}

export const KIB = 1_024
export const CONNECTIONS = [16, 64, 256, 1_024] as const
export const SIZES = [100, KIB, 64 * KIB, 10 * KIB * KIB] as const
export const ENDPOINTS = [1, 10, 100] as const
const BODY_SIZES = [KIB, 64 * KIB] as const

export const BASE: Cell = {
  connections: 64,
  bytes: KIB,
  isKept: true,
  endpoints: 1,
  isTls: false,
  bodyBytes: 0,
  protocol: 'HTTP/1.1',
}
/** Ten megabytes at a time are measured with few clients: what many would hold is the kernel's memory. */
const LARGE: Partial<Cell> = { bytes: SIZES[3], connections: 16 }

/** A chart's worth of cells: how they differ is what it compares. */
export interface Comparison {
  readonly name: string
  readonly title: string
  readonly cells: readonly Cell[]
}

const vary = (...changes: readonly Partial<Cell>[]): readonly Cell[] =>
  changes.map((change) => ({ ...BASE, ...change }))

export function comparisons(isFull: boolean): readonly Comparison[] {
  const axes: readonly Comparison[] = [
    {
      name: 'main',
      title: 'Kept connections, answers of 1 KiB',
      cells: vary({ connections: 64 }, { connections: 256 }),
    },
    {
      name: 'connections',
      title: 'Number of kept connections',
      cells: vary(...CONNECTIONS.map((connections) => ({ connections }))),
    },
    {
      name: 'sizes',
      title: 'Size of the answer',
      cells: vary(...SIZES.slice(0, 3).map((bytes) => ({ bytes })), LARGE),
    },
    {
      name: 'kinds',
      title: 'Kinds of requests, 64 clients',
      cells: vary({}, { isKept: false }, ...BODY_SIZES.map((bodyBytes) => ({ bodyBytes })), { isTls: true }),
    },
    {
      name: 'endpoints',
      title: 'Number of endpoints',
      cells: vary(...ENDPOINTS.map((endpoints) => ({ endpoints }))),
    },
    { name: 'gRPC', title: 'gRPC, unary calls', cells: vary({ protocol: 'gRPC' }) },
  ]
  if (!isFull) return axes
  const product = [true, false].map(
    (isKept): Comparison => ({
      name: isKept ? 'product-kept' : 'product-new',
      title: isKept ? 'Kept connections' : 'A connection per request',
      cells: SIZES.flatMap((bytes) => vary(...CONNECTIONS.map((connections) => ({ isKept, bytes, connections })))),
    }),
  )
  const tls: Comparison = {
    name: 'tls',
    title: 'TLS',
    cells: [true, false].flatMap((isKept) =>
      vary(...CONNECTIONS.map((connections) => ({ isTls: true, isKept, connections }))),
    ),
  }
  return [...axes, ...product, tls]
}

const sizeText = (bytes: number): string => {
  if (bytes < KIB) return `${bytes} B`
  return bytes < KIB * KIB ? `${bytes / KIB} KiB` : `${bytes / KIB / KIB} MiB`
}

/** One name for a cell, the same in every run. */
export function cellName(cell: Cell): string {
  const { connections, bytes, isKept, endpoints, isTls, bodyBytes, protocol } = cell
  if (protocol === 'gRPC') return `gRPC, ${connections} calls at once`
  return [
    `c=${connections.toLocaleString('en')}`,
    sizeText(bytes),
    ...(isKept ? [] : ['new connections']),
    ...(bodyBytes > 0 ? [`POST of ${sizeText(bodyBytes)}`] : []),
    ...(isTls ? ['TLS'] : []),
    ...(endpoints > 1 ? [`${endpoints} endpoints`] : []),
  ].join(', ')
}

/** What has to be started for a cell: cells with the same can share it. */
export function setupName({ endpoints, isTls, protocol }: Cell): string {
  return protocol === 'gRPC'
    ? 'gRPC'
    : `${endpoints} ${endpoints === 1 ? 'endpoint' : 'endpoints'}${isTls ? ', TLS' : ''}`
}

/** Each cell once, those that share a setup together. */
export function cellsBySetup(all: readonly Comparison[]): ReadonlyMap<string, readonly Cell[]> {
  const unique = new Map(all.flatMap(({ cells }) => cells).map((cell) => [cellName(cell), cell]))
  return Map.groupBy(unique.values(), setupName)
}

/** One rule as configuration states it. What is left out matches everything. */
export interface RouteRule {
  /** What it is called in metrics and messages; unique. */
  readonly name: string
  /** `shop.example.com`, or `*.example.com` for all names below it. Case does not count; ports are no part of it. */
  readonly hosts?: readonly string[]
  readonly path?: PathRule
  /** As on the wire, in upper case. */
  readonly methods?: readonly string[]
  /** All of them must match. */
  readonly headers?: readonly HeaderRule[]
  readonly backends: readonly WeightedBackend[]
}

export type PathRule =
  | { readonly exact: string }
  /** By whole segments: `/a` matches `/a`, `/a/` and `/a/b`, not `/ab`. */
  | { readonly prefix: string }

export interface HeaderRule {
  readonly name: string
  /** The whole value, case and all; of a repeated header the first. */
  readonly value: string
}

export interface WeightedBackend {
  readonly upstream: string
  /** Share relative to the others'; 0: none. Default 1. */
  readonly weight?: number
}

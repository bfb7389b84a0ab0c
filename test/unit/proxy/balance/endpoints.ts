import { BalancedEndpoint, type BalancedEndpointOptions } from '../../../../src/proxy/balance/balanced-endpoint.ts'

/** Endpoints 10.0.x.y:80, in order. */
export function endpoints(
  count: number,
  options: (i: number) => Partial<BalancedEndpointOptions> = () => ({}),
): BalancedEndpoint[] {
  return Array.from(
    { length: count },
    (_, i) => new BalancedEndpoint({ address: `10.0.${i >> 8}.${i & 255}`, port: 80, ...options(i) }),
  )
}

/** Gives back the numbers one after another, and again from the first. */
export function scripted(...numbers: readonly number[]): () => number {
  let next = 0
  return () => numbers[next++ % numbers.length]!
}

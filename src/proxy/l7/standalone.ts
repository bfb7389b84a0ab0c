import { Engine, type EngineOptions } from './engine/engine.ts'
import type { ListenerOptions } from './engine/listener-options.ts'
import { onlyRoute } from './engine/route.ts'
import type { EndpointOptions, UpstreamOptions } from './engine/upstream.ts'

export interface HttpProxyOptions extends EngineOptions {
  readonly listen: ListenerOptions
  readonly endpoints: readonly EndpointOptions[]
  readonly upstream?: Omit<UpstreamOptions, 'name' | 'endpoints'>
}

export interface HttpProxy {
  readonly port: number
  readonly engine: Engine
  /** New endpoints in place of the old ones. */
  setEndpoints(endpoints: readonly EndpointOptions[]): void
  /** Lets requests under way finish for so long. */
  close(drainMs?: number): Promise<void>
}

/** A plain HTTP load balancer: everything that arrives goes to one set of endpoints. */
export async function startHttpProxy(options: HttpProxyOptions): Promise<HttpProxy> {
  const engine = new Engine(options)
  const upstream = engine.createUpstream({ ...options.upstream, name: 'default', endpoints: options.endpoints })
  const route = { id: 0, name: 'default', upstream }
  const { port } = await engine.listen(options.listen, onlyRoute(route))
  return {
    port,
    engine,
    setEndpoints: (endpoints) => upstream.replace(endpoints),
    close: (drainMs = 0) => engine.drain(drainMs),
  }
}

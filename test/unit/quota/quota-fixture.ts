import { DEFINITIONS } from '../../../src/api/definitions/all.ts'
import type { Container, Pod, ResourceQuota } from '../../../src/api/types/core-v1.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createEventRecorder } from '../../../src/client/event-recorder.ts'
import { createInformerFactory } from '../../../src/client/informer-factory.ts'
import { createLimitRanger } from '../../../src/controlplane/apiserver/admission/limit-ranger.ts'
import { createResourceQuotas } from '../../../src/controlplane/apiserver/admission/resource-quota.ts'
import { startControllers } from '../../../src/controlplane/controllers/start-controllers.ts'
import type { Store } from '../../../src/controlplane/store/store.ts'
import { startTestServer, type TestServer } from '../apiserver/server-fixture.ts'

/** An API server that holds namespaces to their quotas and limits. */
export async function startQuotaServer(options: { readonly store?: Store } = {}): Promise<TestServer> {
  let test: TestServer | undefined
  const cacheOf: Parameters<typeof createResourceQuotas>[0]['cacheOf'] = (definition) =>
    test!.server.registry.cacheOf(definition)
  const quotas = createResourceQuotas({ definitions: DEFINITIONS, cacheOf, nowMs: () => Date.now() })
  const limits = createLimitRanger(cacheOf)
  test = await startTestServer({
    ...options,
    admission: [limits, quotas],
    lanesOf: (request) => {
      const lane = quotas.laneOf(request)
      return lane === undefined ? [] : [lane]
    },
  })
  return test
}

/** All controllers over a server, as a cluster has them. */
export function startAllControllers({ client }: TestServer): { close(): Promise<void> } {
  const common = { clock: systemClock, logger: silentLogger, random: Math.random }
  const informers = createInformerFactory({ client, ...common })
  const controllers = startControllers({
    ...common,
    client,
    informers,
    events: (component) => createEventRecorder({ ...common, client, component }),
    rootCaPem: 'CERTIFICATE',
  })
  return {
    async close() {
      await controllers.close()
      informers.close()
    },
  }
}

export function quota(name: string, hard: Readonly<Record<string, string>>, spec: object = {}): ResourceQuota {
  return { metadata: { namespace: 'default', name }, spec: { hard, ...spec } }
}

export function container(resources: Container['resources'] = {}, name = 'web'): Container {
  return { name, image: 'shop:1', resources }
}

export function pod(name: string, resources: Container['resources'] = {}, spec: object = {}): Pod {
  return { metadata: { namespace: 'default', name }, spec: { containers: [container(resources)], ...spec } }
}

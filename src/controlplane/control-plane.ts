import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ResourceDefinition } from '../api/definition.ts'
import { DEFINITIONS } from '../api/definitions/all.ts'
import { CLUSTER_LOOPBACK } from '../api/definitions/ip-rules.ts'
import type { KubeObject } from '../api/object.ts'
import { NODES, PODS, type ResourceType, SERVICES } from '../api/resource-type.ts'
import type { Node, Pod, Service } from '../api/types/core-v1.gen.ts'
import { type AddressLayout, addressLayout } from '../base/address-layout.ts'
import { onBridges } from '../base/bridge-layout.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from '../client/client.ts'
import { createClient } from '../client/create-client.ts'
import { createEventRecorder, type EventRecorder } from '../client/event-recorder.ts'
import { createInformerFactory, type InformerFactory } from '../client/informer-factory.ts'
import { startLoadBalancerController } from './allocators/load-balancer-controller.ts'
import { createServiceAddresses } from './allocators/service-addresses.ts'
import { createLimitRanger } from './apiserver/admission/limit-ranger.ts'
import { createResourceQuotas } from './apiserver/admission/resource-quota.ts'
import { createServiceAccountMount } from './apiserver/admission/service-account-mount.ts'
import { type ApiServer, createApiServer } from './apiserver/api-server.ts'
import { bootstrap } from './apiserver/bootstrap.ts'
import type { ResourceCache } from './apiserver/cache/resource-cache.ts'
import type { CoreRequest } from './apiserver/core-request.ts'
import { openAuditLog } from './apiserver/edge/audit-log.ts'
import { createAuthenticate } from './apiserver/edge/authenticate.ts'
import { ensureSecretEncryption } from './apiserver/edge/encryption.ts'
import { createEndpointRestriction } from './apiserver/edge/endpoint-restriction.ts'
import { type HttpsFront, startHttpsFront } from './apiserver/edge/https-front.ts'
import { writeKubeconfig } from './apiserver/edge/kubeconfig.ts'
import { createNodeRestriction } from './apiserver/edge/node-restriction.ts'
import { ensurePki, type Pki } from './apiserver/edge/pki.ts'
import { createPodLogSource } from './apiserver/edge/pod-log-source.ts'
import { createPodStreamSource } from './apiserver/edge/pod-stream-source.ts'
import { createServiceAccountTokens, type TokenBindings } from './apiserver/edge/service-account-tokens.ts'
import { createStaticAuthorizer } from './apiserver/edge/static-authorizer.ts'
import { storageKey } from './apiserver/request-info.ts'
import { CONTROL_PLANE_USER } from './apiserver/user.ts'
import { startAutoscaler } from './autoscaler/autoscaler-controller.ts'
import { ControlPlaneMetrics } from './control-plane-metrics.ts'
import { startControllers } from './controllers/start-controllers.ts'
import { createJoinHandler, createVerifyAgentToken } from './membership/join-handler.ts'
import { claimOwnNodes } from './membership/own-nodes.ts'
import { type PublishedApiServer, publishApiServer } from './membership/publish-api-server.ts'
import { cacheObjects } from './metrics-api/cache-objects.ts'
import { createMeshSource } from './metrics-api/mesh/create-mesh-source.ts'
import { createMetricsApi, type MetricsApiOptions } from './metrics-api/metrics-api.ts'
import { startScheduler } from './scheduler/start-scheduler.ts'
import { createSeriesDocuments } from './series-document.ts'
import { type ElectionOptions, startElected } from './start-elected.ts'
import { startAutoCompaction } from './store/auto-compaction.ts'
import { measuredStore } from './store/measured-store.ts'
import type { Store, StoreError } from './store/store.ts'

/** What this API server says it is: level 1.36 of the API. */
export const API_VERSION = 'v1.36.0+wherry'

/** Beside the person's own; examples/prometheus.yml names it. */
const PROMETHEUS_KUBECONFIG = 'prometheus.kubeconfig'
const VERIFY_CACHES_MS = 5 * 60_000
const REPAIR_ADDRESSES_MS = 3 * 60_000
const LOOPBACK = '127.0.0.1'
const NODE_PORTS = { first: 30_000, last: 32_767 } as const

export interface ControlPlaneOptions {
  readonly clusterName: string
  readonly dataDir: string
  readonly layout: AddressLayout
  /** Where the API server listens and is reached by others; 127.0.0.1 when left out. */
  readonly apiAddress?: string
  /** 0 takes a free one. */
  readonly apiPort: number
  /** The cluster's server token, when machines may join. */
  readonly serverToken?: string
  readonly kubeconfig: string
  readonly openStore: (onFailure: (error: StoreError) => void) => Promise<Store> | Store
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** Runs one step of start-up and tells how long it took. */
  readonly phase: <T>(name: string, step: () => Promise<T>) => Promise<T>
  /** The store has failed for good: the process is to end. */
  readonly onFailure: (error: Error) => void
  /** Given when other control planes may share the store: controllers and scheduler then run where they are elected. */
  readonly election?: ElectionOptions
  /** Whether ports below 1024 can be listened on, and so whether the `kubernetes` Service can have 443. */
  readonly privilegedPorts: boolean
}

export interface ControlPlane {
  readonly apiPort: number
  readonly apiServer: ApiServer
  readonly pki: Pki
  close(): Promise<void>
}

/** What every write that takes an address of a Service moves, where several API servers share a store. */
const ADDRESSES_KEY = '/registry/ranges/serviceaddresses'

function takesAddresses({ definition, info }: CoreRequest): boolean {
  const writes = info.verb === 'create' || info.verb === 'update' || info.verb === 'patch'
  return definition.resource === SERVICES.resource && definition.group === '' && info.subresource === '' && writes
}

/** What the server asks about stored objects for its own decisions; answered from its cache. */
function lookups(server: () => ApiServer | undefined): {
  podsOnNode(node: string): Iterable<Pod>
  podAddresses(namespace: string): ReadonlySet<string>
  nodeAddresses(): ReadonlySet<string>
  bindings: TokenBindings
  services(): Promise<readonly Service[]>
  /** All objects of a kind, as the cache holds them now. */
  all(type: ResourceType): readonly KubeObject[]
  measured: MetricsApiOptions['objects']
} {
  const definitionOf = (resource: string) =>
    DEFINITIONS.find((definition) => definition.resource === resource && definition.group === '')!
  const objects = <T>(resource: string, namespace = ''): T[] => {
    const registry = server()?.registry
    if (registry === undefined) return []
    const definition = definitionOf(resource)
    const prefix = `${definition.storagePrefix}/${namespace === '' ? '' : `${namespace}/`}`
    return [...registry.cacheOf(definition).range(prefix)].map(({ object }) => object as T)
  }
  const find = <T extends KubeObject>(resource: string, namespace: string, name: string): T | undefined => {
    const definition = definitionOf(resource)
    const key = storageKey(definition, namespace, name)
    return server()?.registry.cacheOf(definition).get(key)?.object as T | undefined
  }
  const uidOf = (resource: string, namespace: string, name: string): string | undefined =>
    find(resource, namespace, name)?.metadata?.uid
  return {
    podsOnNode: (node) => objects<Pod>(PODS.resource).filter((pod) => pod.spec?.nodeName === node),
    podAddresses: (namespace) =>
      new Set(
        objects<Pod>(PODS.resource, namespace).flatMap(({ status }) => (status?.podIPs ?? []).map(({ ip }) => ip)),
      ),
    nodeAddresses: () =>
      new Set(
        objects<Node>(NODES.resource).flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)),
      ),
    bindings: {
      serviceAccountUid: (namespace, name) => uidOf('serviceaccounts', namespace, name),
      podUid: (namespace, name) => uidOf('pods', namespace, name),
    },
    services: async () => objects<Service>(SERVICES.resource),
    all({ group, version, resource }) {
      const definition = DEFINITIONS.find(
        (one) => one.resource === resource && one.group === group && one.version === version,
      )!
      const cache = server()?.registry.cacheOf(definition)
      return cache === undefined ? [] : [...cache.range(`${definition.storagePrefix}/`)].map(({ object }) => object)
    },
    measured: {
      node: (name) => find<Node>(NODES.resource, '', name),
      nodes: () => objects<Node>(NODES.resource),
      pod: (namespace, name) => find<Pod>(PODS.resource, namespace, name),
      pods: (namespace) => objects<Pod>(PODS.resource, namespace),
    },
  }
}

/** Starts the control plane: store, API server and its listener, then controllers and scheduler. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { layout, dataDir, clock, logger, phase, random, apiAddress = LOOPBACK, serverToken } = options
  const pki = await phase('certificates', () =>
    ensurePki({
      dataDir,
      clusterName: options.clusterName,
      apiAddresses: [layout.kubernetesServiceIp, ...(apiAddress === LOOPBACK ? [] : [apiAddress])],
      nodes: layout.nodes,
      clock,
    }),
  )
  const counted = new ControlPlaneMetrics(clock)
  const store = measuredStore(
    await phase('store', async () => options.openStore(options.onFailure)),
    clock,
    counted.store,
  )

  let server: ApiServer | undefined
  const { podsOnNode, podAddresses, nodeAddresses, bindings, services, measured, all } = lookups(() => server)
  const tokens = createServiceAccountTokens(pki.serviceAccountKey, clock)
  const addresses = createServiceAddresses({
    serviceCidr: layout.serviceCidr,
    nodePorts: NODE_PORTS,
    list: services,
    random,
    ...(options.election === undefined
      ? {}
      : {
          guard: async () => {
            const found = await store.get(ADDRESSES_KEY)
            await server?.registry.cache.fresh()
            return { key: ADDRESSES_KEY, modRevision: found?.modRevision ?? 0n }
          },
        }),
  })
  const audit = counted.followAudit(
    openAuditLog({ path: join(dataDir, 'logs', 'audit.log'), clock, logger: logger.child({ part: 'audit' }) }),
  )
  const nodes = { clusterCidr: layout.clusterCidr, ca: pki.caPem, ...pki.kubeletClient }
  const logSource = createPodLogSource(nodes)
  const metrics = createMetricsApi({
    objects: measured,
    cluster: cacheObjects(() => server?.registry),
    source: logSource,
    meshSource: createMeshSource(nodes),
    clock,
    logger: logger.child({ part: 'metrics' }),
  })
  const authorizer = createStaticAuthorizer({ podsOnNode })
  // Asked only by requests, so once there is a server.
  const cacheOf = (definition: ResourceDefinition): ResourceCache => server!.registry.cacheOf(definition)
  // A cluster on a bridge has a range of its own beside loopback, and its containers file systems of their own.
  const runtime = layout.clusterCidr.startsWith('127.') ? 'process' : 'docker'
  const quotas = createResourceQuotas({ definitions: DEFINITIONS, cacheOf, nowMs: () => clock.now() })
  server = await phase('API server', () =>
    createApiServer({
      store,
      definitions: DEFINITIONS,
      admission: [
        createNodeRestriction(podsOnNode),
        createEndpointRestriction(CLUSTER_LOOPBACK, podAddresses, nodeAddresses),
        ...(runtime === 'process'
          ? []
          : [
              createEndpointRestriction(layout.clusterCidr, podAddresses, nodeAddresses),
              createServiceAccountMount(cacheOf, random),
            ]),
        addresses,
        createLimitRanger(cacheOf),
        quotas,
      ],
      authorizer,
      clock,
      logger: logger.child({ part: 'apiserver' }),
      random,
      version: API_VERSION,
      transform: ensureSecretEncryption(dataDir),
      logSource,
      virtual: metrics.resources,
      groups: metrics.groups,
      metrics: () => counted.families(),
      series: createSeriesDocuments(all),
      streamSource: createPodStreamSource(nodes),
      tokens,
      verifyToken: (token, audiences) => tokens.verify(token, bindings, audiences),
      onRequest: (record) => audit.record(record),
      lanesOf: (request) => {
        const quota = quotas.laneOf(request)
        const shared = options.election !== undefined && takesAddresses(request)
        return [...(quota === undefined ? [] : [quota]), ...(shared ? [ADDRESSES_KEY] : [])]
      },
    }),
  )
  const repairAddresses = async (): Promise<void> => {
    const doubled = await addresses.repair()
    for (const claim of doubled) logger.warn({ claim }, 'two Services have one address')
  }
  await repairAddresses()
  const nodeExists = (name: string): boolean => measured.node(name) !== undefined
  if (serverToken !== undefined) await claimOwnNodes(store, layout, pki.caPem, nodeExists)
  let published: PublishedApiServer | undefined
  const handler =
    serverToken === undefined
      ? server
      : createJoinHandler({
          next: server,
          store,
          ca: { cert: pki.caPem, key: readFileSync(join(dataDir, 'pki', 'ca.key'), 'utf8') },
          cluster: {
            clusterName: options.clusterName,
            octet: layout.octet,
            runtime,
          },
          nodeAt: (number) => {
            const loopback = addressLayout(layout.octet, options.clusterName, [number])
            const same = layout.clusterCidr === loopback.clusterCidr ? loopback : onBridges(loopback)
            return same.nodes[0]!
          },
          serverToken,
          servers: () =>
            (published?.servers ?? [{ address: apiAddress, port: front.port }]).map(
              ({ address, port }) => `https://${address}:${port}`,
            ),
          nodeExists,
          clock,
          logger: logger.child({ part: 'machines' }),
        })
  const agentOf = serverToken === undefined ? () => undefined : createVerifyAgentToken(serverToken)
  const front: HttpsFront = await phase('listener', () =>
    startHttpsFront({
      handler,
      tls: { ...pki.apiServer, ca: pki.caPem },
      host: apiAddress,
      port: options.apiPort,
      authenticate: createAuthenticate(async (token) => agentOf(token) ?? tokens.verify(token, bindings)),
      logger: logger.child({ part: 'listener' }),
    }),
  )

  const client = createClient(server.transport(CONTROL_PLANE_USER))
  await phase('system objects', async () => {
    await bootstrap({
      client,
      address: apiAddress,
      port: front.port,
      serviceIp: layout.kubernetesServiceIp,
      servicePort: options.privilegedPorts ? 443 : front.port,
      isOneOfSeveral: options.election !== undefined,
    })
    if (options.election === undefined) return
    published = await publishApiServer({
      client,
      identity: options.election.identity,
      address: apiAddress,
      port: front.port,
      clock,
      logger: logger.child({ part: 'endpoints' }),
    })
  })
  const access = { server: `https://${apiAddress}:${front.port}`, caPem: pki.caPem, context: options.clusterName }
  writeKubeconfig({ ...access, path: options.kubeconfig, certPem: pki.admin.cert, keyPem: pki.admin.key })
  writeKubeconfig({
    ...access,
    path: join(dataDir, PROMETHEUS_KUBECONFIG),
    certPem: pki.prometheus.cert,
    keyPem: pki.prometheus.key,
  })

  const factory = (of: Client): InformerFactory =>
    createInformerFactory({ client: of, clock, logger: logger.child({ part: 'informers' }) })
  const recorder =
    (of: Client) =>
    (component: string): EventRecorder =>
      createEventRecorder({ client: of, component, clock, logger, random })
  const controllers = (of: Client, informers: InformerFactory): readonly Closable[] => {
    const events = recorder(of)
    const common = { client: of, informers, clock, random, queues: counted.queues }
    return [
      startControllers({ ...common, events, logger: logger.child({ part: 'controllers' }), rootCaPem: pki.caPem }),
      startLoadBalancerController({
        ...common,
        events: events('service-controller'),
        logger: logger.child({ part: 'load-balancer' }),
        cidr: layout.loadBalancerCidr,
      }),
      startAutoscaler({
        ...common,
        events: events('horizontal-pod-autoscaler'),
        logger: logger.child({ part: 'autoscaler' }),
        transport: server.transport(CONTROL_PLANE_USER),
        onTraffic: metrics.onTraffic,
      }),
    ]
  }
  const scheduler = (of: Client, informers: InformerFactory): readonly Closable[] => {
    const events = recorder(of)('default-scheduler')
    return [
      startScheduler({
        client: of,
        informers,
        clock,
        random,
        events,
        metrics: counted.scheduler,
        logger: logger.child({ part: 'scheduler' }),
      }),
    ]
  }
  const parts = await phase('controllers and scheduler', async (): Promise<readonly Closable[]> => {
    const { election } = options
    if (election === undefined) {
      const informers = factory(client)
      return [closeAll([...controllers(client, informers), ...scheduler(client, informers)], informers)]
    }
    const elected = (name: string, start: typeof controllers): Closable =>
      counted.follow(
        name,
        startElected({
          server,
          name,
          election,
          clock,
          random,
          logger: logger.child({ part: 'election' }),
          start: (of) => {
            const informers = factory(of)
            return closeAll(start(of, informers), informers)
          },
        }),
      )
    return [elected('kube-controller-manager', controllers), elected('kube-scheduler', scheduler)]
  })

  const compaction = startAutoCompaction(store, clock, logger.child({ part: 'compaction' }))
  const stopVerifying = every(clock, VERIFY_CACHES_MS, () => server.verifyCaches(), logger)
  const stopRepairing = every(clock, REPAIR_ADDRESSES_MS, repairAddresses, logger)
  return {
    apiPort: front.port,
    apiServer: server,
    pki,
    async close() {
      stopVerifying()
      stopRepairing()
      compaction.close()
      await published?.close()
      await Promise.all(parts.map((part) => part.close()))
      metrics.close()
      await front.close(500)
      await server.close()
      await audit.close()
      await store.close()
    },
  }
}

interface Closable {
  close(): Promise<void>
}

/** Ends parts, then the copies they read from. */
function closeAll(parts: readonly Closable[], informers: InformerFactory): Closable {
  return {
    async close() {
      await Promise.all(parts.map((part) => part.close()))
      informers.close()
    },
  }
}

/** Repeats a task until stopped, the next time only after the last one ended. */
function every(clock: Clock, ms: number, task: () => Promise<unknown>, logger: Logger): () => void {
  let stopped = false
  let timer = clock.setTimer(ms, run)
  function run(): void {
    task()
      .catch((error) => logger.warn({ err: error }, 'a periodic task failed'))
      .finally(() => {
        if (!stopped) timer = clock.setTimer(ms, run)
      })
  }
  return () => {
    stopped = true
    timer.cancel()
  }
}

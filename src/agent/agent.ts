import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { PODS, SERVICES } from '../api/resource-type.ts'
import type { Pod, Service } from '../api/types/core-v1.gen.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { MetricFamily } from '../base/metric-families.ts'
import type { Client } from '../client/client.ts'
import { createInformer } from '../client/create-informer.ts'
import { createEventRecorder } from '../client/event-recorder.ts'
import { createInformerFactory, type InformerFactory } from '../client/informer-factory.ts'
import type { PodLogs } from './kubelet/pod-logs.ts'
import type { PodStreams } from './kubelet/pod-streams.ts'
import { machineCapacity, systemInfo } from './node/machine.ts'
import { NodeKeeper } from './node/node-keeper.ts'
import { ApiConfigSource } from './pod/config-source.ts'
import { createPodLogs } from './pod/open-pod-logs.ts'
import { createPodStreams } from './pod/open-pod-streams.ts'
import { PodAddresses } from './pod/pod-addresses.ts'
import { PodManager } from './pod/pod-manager.ts'
import { PodStartTimes } from './pod/pod-start-times.ts'
import { ProbeCounts } from './probes/probe-counts.ts'
import { ProbeTargets } from './probes/probe-target.ts'
import { measuredRuntime } from './runtime/measured-runtime.ts'
import { ProcessRuntime } from './runtime/process/process-runtime.ts'
import type { Runtime } from './runtime/runtime.ts'
import { RuntimeCounts } from './runtime/runtime-counts.ts'
import { PodScraper } from './scrape/pod-scraper.ts'
import { createNodeDocuments, type NodeDocuments } from './usage/node-documents.ts'
import type { UsageSampler } from './usage/usage-sampler.ts'
import type { VolumeManager } from './volumes/volume-manager.ts'

/** The API level the agent speaks, with wherry's mark. */
export const KUBELET_VERSION = 'v1.36.0+wherry'

/** Makes a runtime whose pods have their directories beneath this one. */
export type RuntimeFactory = (podsDirectory: string) => Runtime

export interface AgentOptions {
  readonly node: { readonly name: string; readonly address: string; readonly podCidr: string }
  readonly client: Client
  /** Shared with other agents of this process; one of its own when left out. */
  readonly informers?: InformerFactory
  /** The cluster's data directory; this node's part of it is `nodes/<name>/`. */
  readonly dataDir: string
  readonly runtime: 'process' | RuntimeFactory
  /** wherry's version, shown as the runtime's. */
  readonly version: string
  /** `127.N.0.0/16`: where probes may go. */
  readonly clusterCidr: string
  readonly clock: Clock
  readonly logger: Logger
  readonly labels?: Readonly<Record<string, string>>
  /** Where ports of the host are opened that name no address of it; the node's own when left out. */
  readonly hostPortIps?: readonly string[]
  readonly random?: () => number
  /** What else the process has to tell on a node's `/metrics`. */
  readonly metrics?: () => readonly MetricFamily[]
  /** What containers use; shared by all nodes of this process, and closed by whoever made it. */
  readonly usage: UsageSampler
  /** Makes the manager of the volumes beneath a directory of this node. */
  createVolumes(nodeDirectory: string): VolumeManager
  /** Serves the node API (logs, exec, attach, port forwarding, usage) and says on which port of the node's address. */
  serveNodeApi?(
    logs: PodLogs,
    streams: PodStreams,
    documents: NodeDocuments,
  ): Promise<{ readonly port: number; close(): Promise<void> }>
}

export interface Agent {
  /** Lets go of everything. Containers keep running: the next agent on this directory adopts them. */
  close(): Promise<void>
  /** Ends all containers of this node, each after its stop signal and at most `graceMs`, and then closes. */
  shutDown(graceMs: number): Promise<void>
}

/** Resolves as soon as the runtime has a problem. */
function firstProblem(runtime: Runtime): Promise<void> {
  return new Promise((resolve) => {
    if (runtime.problem?.() !== undefined) return resolve()
    const stop = runtime.onProblem?.(() => {
      if (runtime.problem?.() === undefined) return
      stop?.()
      resolve()
    })
  })
}

/** Runs one node: resolves once the node is registered, ready and follows its pods. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { node, client, clock } = options
  const logger = options.logger.child({ node: node.name })
  const directory = join(options.dataDir, 'nodes', node.name)
  const podsDirectory = join(directory, 'pods')
  mkdirSync(podsDirectory, { recursive: true, mode: 0o700 })

  const runtimeCounts = new RuntimeCounts()
  const runtime = measuredRuntime(
    options.runtime === 'process'
      ? new ProcessRuntime({ directory: podsDirectory, version: options.version, clock, logger })
      : options.runtime(podsDirectory),
    clock,
    runtimeCounts,
  )
  const volumes = options.createVolumes(directory)
  const events = createEventRecorder({ client, component: 'kubelet', host: node.name, clock, logger })
  const pods = createInformer<Pod>({ client, type: PODS, clock, logger, fieldSelector: `spec.nodeName=${node.name}` })
  const informers = options.informers ?? createInformerFactory({ client, clock, logger })
  const services = informers.for<Service>(SERVICES)
  const capacity = machineCapacity(directory)
  const probeCounts = new ProbeCounts()
  const startTimes = new PodStartTimes(clock)
  pods.onChange((change) => startTimes.onPod(change))

  const targets = new ProbeTargets(options.clusterCidr)
  const manager = new PodManager(pods, {
    client,
    clock,
    logger,
    random: options.random ?? Math.random,
    events,
    runtime,
    volumes,
    configs: new ApiConfigSource(client),
    addresses: new PodAddresses(node.podCidr, join(directory, 'last-pod-address')),
    targets,
    probeCounts,
    hostIp: node.address,
    hostPortIps: options.hostPortIps ?? [node.address],
    allocatable: capacity,
    podDirectory: (podUid) => join(podsDirectory, podUid),
    services: (namespace) => {
      const api = services.get('default', 'kubernetes')
      return [...services.list(namespace), ...(api === undefined || namespace === 'default' ? [] : [api])]
    },
  })
  const scraper = new PodScraper({ pods: () => pods.list(), sandboxes: () => runtime.list(), clock, logger })
  const documents = createNodeDocuments({
    nodeName: node.name,
    directory,
    runtime,
    sampler: options.usage,
    probes: probeCounts,
    scraper,
    counted: () => [...runtimeCounts.families(), ...startTimes.families(), ...(options.metrics?.() ?? [])],
    clock,
    logger,
  })
  const api = await options.serveNodeApi?.(
    createPodLogs(manager, runtime),
    createPodStreams(manager, runtime, targets),
    documents,
  )
  await services.synced
  const keeper = new NodeKeeper({
    client,
    clock,
    logger,
    events,
    facts: {
      name: node.name,
      address: node.address,
      capacity,
      // An engine that was away may come back as another version.
      get info() {
        return systemInfo(`${runtime.name}://${runtime.version}`, KUBELET_VERSION)
      },
      apiPort: api?.port,
    },
    podCidr: node.podCidr,
    labels: options.labels ?? {},
    directory,
    problem: () => runtime.problem?.(),
    ...(runtime.images === undefined ? {} : { images: () => runtime.images!.list() }),
  })
  const adopted = manager.start()
  // What runs is taken over before the node says that it is ready; a runtime that is away keeps no node from saying so.
  await Promise.race([adopted, firstProblem(runtime)])
  adopted.catch((error: unknown) => logger.error({ err: error }, 'the pods of this node could not be taken over'))
  await keeper.start()
  const stopListening = runtime.onProblem?.(() => keeper.check())

  const letGo = async (): Promise<void> => {
    stopListening?.()
    manager.close()
    keeper.close()
    pods.close()
    if (options.informers === undefined) informers.close()
    await api?.close()
    await scraper.close()
    await volumes.close()
  }
  return {
    async close() {
      await letGo()
      await runtime.close()
    },
    async shutDown(graceMs) {
      // The pods' workers are gone first, so that nothing is started again.
      await letGo()
      // Of a runtime that is away nothing can be ended; the next agent finds it all again.
      if (runtime.problem?.() === undefined) {
        const containers = (await runtime.list()).flatMap((sandbox) => sandbox.containers)
        const ends = await Promise.allSettled(containers.map(({ id }) => runtime.stopContainer(id, graceMs)))
        const failed = ends.find((end) => end.status === 'rejected')
        if (failed === undefined) await runtime.stopSandboxes?.()
        else logger.warn({ err: failed.reason }, 'not every container could be ended')
      }
      await runtime.close()
    },
  }
}

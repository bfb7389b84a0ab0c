import type { ContainerConfig, SandboxConfig } from '../runtime.ts'

/** Whose a container is. Two clusters, or two nodes, on one engine never touch what carries another's mark. */
export interface DockerOwner {
  /** Of one data directory alone, also among clusters of one name. */
  readonly cluster: string
  readonly node: string
}

const CLUSTER = 'io.wherry.cluster'
const NODE = 'io.wherry.node'
const ROLE = 'io.wherry.role'
const ATTEMPT = 'io.wherry.attempt'
const IMAGE = 'io.wherry.image'
const MESSAGE_POLICY = 'io.wherry.termination-message-policy'
// The names that other tools know pods by.
const POD_UID = 'io.kubernetes.pod.uid'
const POD_NAME = 'io.kubernetes.pod.name'
const POD_NAMESPACE = 'io.kubernetes.pod.namespace'
const CONTAINER = 'io.kubernetes.container.name'

type Labels = Readonly<Record<string, string>>

/** Filters for lists and events of what belongs to a cluster, or to one of its nodes. */
export function ownerFilter(cluster: string, node?: string): readonly string[] {
  return [`${CLUSTER}=${cluster}`, ...(node === undefined ? [] : [`${NODE}=${node}`])]
}

export function podFilter(owner: DockerOwner, podUid: string): readonly string[] {
  return [...ownerFilter(owner.cluster, owner.node), `${POD_UID}=${podUid}`]
}

/** Labels of the cluster's network. */
export function clusterLabels(cluster: string): Labels {
  return { [CLUSTER]: cluster }
}

function podLabels(owner: DockerOwner, { podUid, podName, podNamespace }: SandboxConfig): Labels {
  return {
    [CLUSTER]: owner.cluster,
    [NODE]: owner.node,
    [POD_UID]: podUid,
    [POD_NAME]: podName,
    [POD_NAMESPACE]: podNamespace,
  }
}

export function volumeLabels(owner: DockerOwner, podUid: string): Labels {
  return { [CLUSTER]: owner.cluster, [NODE]: owner.node, [POD_UID]: podUid }
}

export function sandboxLabels(owner: DockerOwner, sandbox: SandboxConfig): Labels {
  return { ...podLabels(owner, sandbox), [ROLE]: 'sandbox' }
}

export function containerLabels(owner: DockerOwner, sandbox: SandboxConfig, config: ContainerConfig): Labels {
  return {
    ...podLabels(owner, sandbox),
    [ROLE]: 'container',
    [CONTAINER]: config.name,
    [ATTEMPT]: String(config.attempt),
    [IMAGE]: config.image,
    [MESSAGE_POLICY]: config.terminationMessagePolicy,
  }
}

/** What the labels of one of our containers say; undefined for one that is none of ours. */
export interface Labelled {
  readonly node: string
  readonly podUid: string
  /** Undefined for a pod's sandbox. */
  readonly container:
    | {
        readonly name: string
        readonly attempt: number
        readonly image: string
        readonly messagePolicy: ContainerConfig['terminationMessagePolicy']
      }
    | undefined
}

export function readLabels(labels: Labels): Labelled | undefined {
  const node = labels[NODE]
  const podUid = labels[POD_UID]
  if (node === undefined || podUid === undefined) return undefined
  if (labels[ROLE] === 'sandbox') return { node, podUid, container: undefined }
  const name = labels[CONTAINER]
  const attempt = Number(labels[ATTEMPT])
  if (name === undefined || !Number.isInteger(attempt)) return undefined
  return {
    node,
    podUid,
    container: {
      name,
      attempt,
      image: labels[IMAGE] ?? '',
      messagePolicy: labels[MESSAGE_POLICY] === 'FallbackToLogsOnError' ? 'FallbackToLogsOnError' : 'File',
    },
  }
}

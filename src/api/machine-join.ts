/** What a machine and an API server say to each other when the machine joins the cluster; see docs/decisions/0012-several-machines.md. */

/** Anyone may read the cluster's CA certificate (PEM) here; the token says whether it is the right one. */
export const CA_PATH = '/wherry/v1/ca'
/** POST of a JoinRequest with the agent token as bearer token; answered with a JoinAnswer. */
export const JOIN_PATH = '/wherry/v1/join'

export interface JoinRequest {
  /** Unique among the cluster's machines. */
  readonly machine: string
  /** Random, made by the machine at its first start: nobody else can ask for certificates in its name. */
  readonly secret: string
  /** One public key (P-256, SPKI, PEM) for each node, then `proxy`. The private keys stay where they are. */
  readonly nodeKeys: readonly ProvenKey[]
  readonly proxyKey: ProvenKey
}

export interface ProvenKey {
  readonly publicKey: string
  /** ECDSA with SHA-256 over `proofText`, base64: whoever asks has the private key. */
  readonly proof: string
}

export interface JoinAnswer {
  readonly clusterName: string
  /** Second octet of the cluster's range of addresses. */
  readonly octet: number
  readonly runtime: 'process' | 'docker'
  /** In the order of the request's keys. */
  readonly nodes: readonly { readonly number: number; readonly certificate: string }[]
  readonly proxyCertificate: string
  /** Every API server there is, `https://address:port`. */
  readonly servers: readonly string[]
}

/** What a key's proof is a signature of; it is good for one cluster and one machine. */
export function proofText(caHash: string, machine: string, publicKey: string): string {
  return `wherry join\n${caHash}\n${machine}\n${publicKey}`
}

export interface AgentToken {
  /** SHA-256 of the CA certificate's DER, hexadecimal: the machine knows the right server by it. */
  readonly caHash: string
  readonly secret: string
}

export function formatAgentToken({ caHash, secret }: AgentToken): string {
  return `wherry-agent.${caHash}.${secret}`
}

/** Undefined when the text is no agent token. */
export function parseAgentToken(text: string): AgentToken | undefined {
  const match = /^wherry-agent\.([0-9a-f]{64})\.([\w-]{16,})$/.exec(text.trim())
  return match === null ? undefined : { caHash: match[1]!, secret: match[2]! }
}

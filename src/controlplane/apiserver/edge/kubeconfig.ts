import { writePrivateFile } from './atomic-file.ts'

export interface KubeconfigOptions {
  readonly path: string
  readonly server: string
  readonly caPem: string
  readonly certPem: string
  readonly keyPem: string
  /** Name of context, cluster and user in the file. */
  readonly context: string
}

/** The text of a kubeconfig with one context and everything it needs inside. */
export function kubeconfigText(options: Omit<KubeconfigOptions, 'path'>): string {
  const data = (text: string): string => Buffer.from(text).toString('base64')
  return `apiVersion: v1
kind: Config
clusters:
- name: ${options.context}
  cluster:
    server: ${options.server}
    certificate-authority-data: ${data(options.caPem)}
users:
- name: ${options.context}
  user:
    client-certificate-data: ${data(options.certPem)}
    client-key-data: ${data(options.keyPem)}
contexts:
- name: ${options.context}
  context:
    cluster: ${options.context}
    user: ${options.context}
current-context: ${options.context}
`
}

/** Writes a kubeconfig of wherry's own, readable by its owner only. The caller never points this at the user's. */
export function writeKubeconfig(options: KubeconfigOptions): void {
  writePrivateFile(options.path, kubeconfigText(options))
}

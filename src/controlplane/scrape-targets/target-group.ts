/** What Prometheus takes from `http_sd_configs`: addresses and what is known of them before relabelling. */
export interface TargetGroup {
  readonly targets: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** What makes the discovery labels of one kind of objects. */
export type MetaLabels = Readonly<Record<string, string>>

/** Longer ones, such as the manifest that kubectl applied, choose no target and would be most of the answer. */
const ANNOTATION_CHARACTERS_MAX = 1_024

/** A name as Prometheus allows it in a label. */
export function sanitizedName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_]/g, '_')
}

/** `__meta_kubernetes_<role>_label_<name>` and `_labelpresent_<name>`, or the same of annotations, as Prometheus has them. */
function entries(prefix: string, what: string, map: Readonly<Record<string, string>> | undefined): MetaLabels {
  const labels: Record<string, string> = {}
  for (const [name, value] of Object.entries(map ?? {})) {
    if (value.length > ANNOTATION_CHARACTERS_MAX) continue
    labels[`${prefix}_${what}_${sanitizedName(name)}`] = value
    labels[`${prefix}_${what}present_${sanitizedName(name)}`] = 'true'
  }
  return labels
}

interface Metadata {
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** Labels and annotations of an object under `__meta_kubernetes_<role>`. */
export function metadataLabels(role: string, metadata: Metadata | undefined): MetaLabels {
  const prefix = `__meta_kubernetes_${role}`
  return { ...entries(prefix, 'label', metadata?.labels), ...entries(prefix, 'annotation', metadata?.annotations) }
}

/** `address:port` as a URL has it. */
export function hostPort(address: string, port: number | string): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

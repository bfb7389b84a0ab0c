import type { ResourceDefinition, TableColumn } from '../../definition.ts'
import type { KubeObject } from '../../object.ts'

/** A resource of metrics.k8s.io: read only, and made anew for whoever asks. */
export function metricsDefinition<T extends KubeObject>(of: {
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  readonly columns: readonly TableColumn<T>[]
}): ResourceDefinition<T> {
  return {
    ...of,
    group: 'metrics.k8s.io',
    version: 'v1beta1',
    // As metrics-server has it: `pod` and `node` are the real ones.
    singular: '',
    listKind: `${of.kind}List`,
    shortNames: [],
    categories: [],
    verbs: ['get', 'list'],
    schema: `io.k8s.metrics.pkg.apis.metrics.v1beta1.${of.kind}`,
    storagePrefix: '',
    nameKind: 'path-segment',
    selectableFields: {},
    otherSubresources: [],
    defaults() {},
    prepareForCreate() {},
    prepareForUpdate() {},
    validate: () => [],
    validateUpdate: () => [],
  }
}

/** One of the columns that `kubectl get` shows of usage. */
export function usageColumn<T>(name: string, description: string, cell: (object: T) => string): TableColumn<T> {
  return { name, type: 'string', format: 'quantity', description, cell }
}

import { REPLICA_SETS } from '../../../api/resource-type.ts'
import type { ReplicaSet } from '../../../api/types/apps-v1.gen.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import { controllerReference } from '../owner-references.ts'

/** A new pod of this ReplicaSet, to be named by the server. */
export function podFromTemplate(replicaSet: ReplicaSet): Pod {
  const { namespace, name = '' } = replicaSet.metadata ?? {}
  const template = replicaSet.spec?.template
  const { labels, annotations, finalizers } = template?.metadata ?? {}
  return {
    metadata: {
      namespace,
      generateName: `${name}-`,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(REPLICA_SETS, replicaSet)],
    },
    ...(template?.spec === undefined ? {} : { spec: template.spec }),
  }
}

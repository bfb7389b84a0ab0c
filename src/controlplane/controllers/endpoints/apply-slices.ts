import { ENDPOINT_SLICES } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { EndpointSlice } from '../../../api/types/discovery-v1.gen.ts'
import type { Client } from '../../../client/client.ts'
import type { OwnWrites } from '../own-writes.ts'
import type { SliceAction } from './diff-slices.ts'

/** Carries out slice actions all at once. A namespace that goes away takes its slices along: nothing to report. */
export async function applySlices(
  client: Client,
  written: OwnWrites<EndpointSlice>,
  actions: readonly SliceAction[],
): Promise<void> {
  const apply = async ({ kind, slice }: SliceAction): Promise<void> => {
    switch (kind) {
      case 'createSlice':
        written.record(await client.create(ENDPOINT_SLICES, slice))
        return
      case 'updateSlice':
        written.record(await client.update(ENDPOINT_SLICES, slice))
        return
      case 'deleteSlice': {
        const { namespace, name = '', uid } = slice.metadata ?? {}
        try {
          await client.delete(ENDPOINT_SLICES, { namespace, name }, { preconditions: uid === undefined ? {} : { uid } })
        } catch (error) {
          if (!isReason(error, 'NotFound')) throw error
        }
      }
    }
  }
  const results = await Promise.allSettled(actions.map(apply))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

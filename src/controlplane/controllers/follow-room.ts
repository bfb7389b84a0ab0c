import { LIMIT_RANGES, RESOURCE_QUOTAS } from '../../api/resource-type.ts'
import type { InformerFactory } from '../../client/informer-factory.ts'
import { hasMoreRoom } from '../quota/has-more-room.ts'

export interface RoomFollower {
  /** Copies that must be complete before anything is followed. */
  readonly informers: readonly { readonly synced: Promise<void> }[]
  /** Calls back with each namespace whose quotas or limits may let through what they refused; returns the ways to stop. */
  follow(onRoom: (namespace: string) => void): readonly (() => void)[]
}

/** Who was refused something by quotas or limits need not ask again and again: it is told when it is worth while. */
export function createRoomFollower(informers: InformerFactory): RoomFollower {
  const quotas = informers.for(RESOURCE_QUOTAS)
  const ranges = informers.for(LIMIT_RANGES)
  return {
    informers: [quotas, ranges],
    follow: (onRoom) => [
      quotas.onChange((change) => {
        const more =
          change.type === 'deleted' || (change.type === 'modified' && hasMoreRoom(change.previous, change.object))
        if (more) onRoom(change.object.metadata?.namespace ?? '')
      }),
      ranges.onChange(({ object }) => onRoom(object.metadata?.namespace ?? '')),
    ],
  }
}

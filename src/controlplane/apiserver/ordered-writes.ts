import { OutdatedDecisionError } from './admission.ts'
import type { CoreRequest } from './core-request.ts'
import type { Dispatch } from './dispatch.ts'

/** How often a write that another one got in front of is decided anew before its client is told. */
const TRIES = 50

/**
 * Carries out in turn the requests whose admission decides on something they share, as addresses of Services or the
 * quotas of a namespace: `lanesOf` names what. A request waits for those before it in any of its lanes; others are not
 * held up. What was decided on something that another writer has changed meanwhile is decided anew.
 */
export function createOrderedWrites(
  lanesOf: (request: CoreRequest) => readonly string[],
): (dispatch: Dispatch) => Dispatch {
  const last = new Map<string, Promise<unknown>>()
  return (dispatch) => {
    const decided = async (request: CoreRequest): ReturnType<Dispatch> => {
      for (let tries = 1; ; tries++) {
        try {
          return await dispatch(request)
        } catch (error) {
          if (!(error instanceof OutdatedDecisionError) || tries >= TRIES) throw error
        }
      }
    }
    const inTurn = async (request: CoreRequest, lanes: readonly string[]): ReturnType<Dispatch> => {
      const before = Promise.all(lanes.map((lane) => last.get(lane)))
      const answer = before.then(() => decided(request))
      const done = answer.catch(() => undefined)
      for (const lane of lanes) last.set(lane, done)
      try {
        return await answer
      } finally {
        for (const lane of lanes) if (last.get(lane) === done) last.delete(lane)
      }
    }
    return async (request) => {
      const lanes = lanesOf(request)
      if (lanes.length > 0) return inTurn(request, lanes)
      try {
        return await dispatch(request)
      } catch (error) {
        if (!(error instanceof OutdatedDecisionError)) throw error
        // What it has not known of may be shared with others.
        const found = lanesOf(request)
        return found.length > 0 ? inTurn(request, found) : decided(request)
      }
    }
  }
}

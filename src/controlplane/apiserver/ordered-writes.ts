import { GuardMovedError } from './admission.ts'
import type { CoreRequest } from './core-request.ts'
import type { Dispatch } from './dispatch.ts'

/** How often a write that another API server got in front of is decided anew before its client is told. */
const TRIES = 50

/**
 * Carries some requests out one after the other, and anew when another API server was faster: those whose admission
 * decides on something that all API servers share, as addresses of Services. Others are not held up.
 */
export function createOrderedWrites(applies: (request: CoreRequest) => boolean): (dispatch: Dispatch) => Dispatch {
  let last: Promise<unknown> = Promise.resolve()
  return (dispatch) => {
    const decided = async (request: CoreRequest): ReturnType<Dispatch> => {
      for (let tries = 1; ; tries++) {
        try {
          return await dispatch(request)
        } catch (error) {
          if (!(error instanceof GuardMovedError) || tries >= TRIES) throw error
        }
      }
    }
    return (request) => {
      if (!applies(request)) return dispatch(request)
      const answer = last.then(() => decided(request))
      last = answer.catch(() => undefined)
      return answer
    }
  }
}

/** What a reader found; its `from` and `to` say where in `inbox.bytes`. */
export const NEED_MORE = 0
/** A whole head, now in the reader's `head`. */
export const HEAD_READ = 1
/** A part of the body, with its framing. */
export const BODY_READ = 2
/** The message is over; the next call reads the next one. */
export const MESSAGE_END = 3
/** `refusal` says why. Nothing after this can be trusted. */
export const REFUSED = 4
export type ReadEvent = typeof NEED_MORE | typeof HEAD_READ | typeof BODY_READ | typeof MESSAGE_END | typeof REFUSED

/** Other work gets its turn after so many bytes. */
const SLICE_BYTES = 256 * 1024
/** Endpoints are read as JSON in pieces of about this size. */
const PIECE_BYTES = 64 * 1024

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** `{ ports: [ { endpoints: [` */
const PORT_DEPTH = 3
const ENDPOINT_DEPTH = 5

/** A piece of the endpoints of one port: elements of a JSON array, without its brackets. */
export interface EndpointPiece {
  /** Which of the summary's ports. */
  readonly port: number
  readonly start: number
  readonly end: number
}

export interface SplitSummary {
  /** The summary without what stands in its ports' arrays: short enough to be read at once. */
  readonly frame: string
  readonly pieces: readonly EndpointPiece[]
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * Cuts a proxy's summary where its endpoints begin and end, so that ten thousand of them are read piece by piece and hold
 * nothing else up: `JSON.parse` of them all takes 40 ms. Looks at brackets and strings only; whether it is JSON at all is
 * found by whoever reads the pieces. 3 ns a byte.
 */
export async function splitSummary(text: Buffer): Promise<SplitSummary> {
  const frame: string[] = []
  const pieces: EndpointPiece[] = []
  let depth = 0
  let port = -1
  let inString = false
  /** Begin of what goes into the frame next, and of the piece that is being gathered. */
  let kept = 0
  let pieceStart = -1
  let pieceEnd = -1
  const endPiece = (): void => {
    if (pieceStart >= 0) pieces.push({ port, start: pieceStart, end: pieceEnd })
    pieceStart = -1
  }
  for (let i = 0, turnAt = SLICE_BYTES; i < text.length; i++) {
    if (i >= turnAt) {
      turnAt += SLICE_BYTES
      await nextTurn()
    }
    const byte = text[i]!
    if (inString) {
      if (byte === BACKSLASH) i += 1
      else if (byte === QUOTE) inString = false
      continue
    }
    switch (byte) {
      case QUOTE:
        inString = true
        break
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth += 1
        if (depth === PORT_DEPTH && byte === OPEN_OBJECT) port += 1
        else if (depth === ENDPOINT_DEPTH && byte === OPEN_OBJECT && pieceStart < 0) {
          frame.push(text.toString('utf8', kept, i))
          pieceStart = i
        }
        break
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth -= 1
        if (depth === ENDPOINT_DEPTH - 1 && byte === CLOSE_OBJECT) {
          pieceEnd = i + 1
          kept = pieceEnd
        } else if (depth === ENDPOINT_DEPTH - 2) endPiece()
        break
      case COMMA:
        if (depth !== ENDPOINT_DEPTH - 1 || pieceStart < 0) break
        // Between two endpoints: no part of the frame, and a place to cut.
        kept = i + 1
        if (i - pieceStart >= PIECE_BYTES) endPiece()
        break
    }
  }
  frame.push(text.toString('utf8', kept))
  return { frame: frame.join(''), pieces }
}

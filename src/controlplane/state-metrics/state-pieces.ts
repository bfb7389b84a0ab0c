import type { KubeObject } from '../../api/object.ts'
import { seriesLine } from '../../base/series-line.ts'
import type { Labels, StateFamily, StateKind } from './state-family.ts'

/** Characters of a piece: large enough for few writes, small enough to be made in a moment. */
const PIECE_CHARACTERS = 64 * 1024
/** Objects between two looks at the clock. */
const LOOK_EVERY = 64
/** How long other work waits. */
const SLICE_MS = 5

export interface PacerOptions {
  readonly nowMs: () => number
  /** Lets other work have its turn. */
  readonly rest: () => Promise<void>
}

/**
 * The series of all objects in the text format, family by family as Prometheus wants it, in pieces that are made while
 * they are taken and never for more than a few milliseconds on end. Objects are those there were at the beginning.
 */
export async function* statePieces(
  kinds: readonly StateKind[],
  objects: (kind: StateKind) => readonly KubeObject[],
  { nowMs, rest }: PacerOptions,
): AsyncGenerator<string> {
  let text = ''
  let since = nowMs()
  for (const kind of kinds) {
    const all = objects(kind)
    for (const family of kind.families) {
      let isBegun = false
      for (let i = 0; i < all.length; i++) {
        const lines = linesOf(family, all[i]!)
        if (lines !== '' && !isBegun) {
          isBegun = true
          text += `# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n`
        }
        text += lines
        if (text.length > PIECE_CHARACTERS) {
          yield text
          text = ''
        }
        if (i % LOOK_EVERY === LOOK_EVERY - 1 && nowMs() - since > SLICE_MS) {
          await rest()
          since = nowMs()
        }
      }
    }
  }
  yield text
}

function linesOf<T extends KubeObject>(family: StateFamily<T>, object: T): string {
  let lines = ''
  const { name, mayRepeat } = family
  const seen = mayRepeat === true ? new Set<string>() : undefined
  family.write(object, (labels: Labels, value: number) => {
    const line = seriesLine(name, labels, value)
    if (seen !== undefined) {
      const series = line.slice(0, line.lastIndexOf(' '))
      if (seen.has(series)) return
      seen.add(series)
    }
    lines += line
  })
  return lines
}

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Clock } from '../../../base/clock.ts'
import type { TerminalSize } from '../runtime.ts'
import { shellQuote } from './shell-quote.ts'

/** For the words that run before the program, whose own PATH may hold nothing. */
const TOOLS = 'PATH=/usr/bin:/bin'
/** Until the terminal of a program that was just started is known. */
const POLL_MS = 10
const POLLS_MAX = 300

export interface InTerminal {
  /** Where the path of the terminal is written down, `/dev/pts/3`. */
  readonly terminalFile: string
  /** Where the program's own process number is written down, if anywhere. */
  readonly mainFile?: string
  readonly size?: TerminalSize
  /** Who owns the terminal when it is not us. */
  readonly owner?: number
}

/**
 * A command in a new pseudo-terminal, through script(1) of util-linux, which makes the terminal, passes bytes both ways
 * and leaves with the program's exit code. `script` is its path. It takes a line of shell, in which every word of the
 * user's stands between single quotes.
 */
export function inTerminal(
  script: string,
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  { terminalFile, mainFile, size, owner }: InTerminal,
): { readonly command: readonly string[]; readonly environment: Readonly<Record<string, string>> } {
  const { SHELL: shell } = environment
  const settings = ['echo', ...(size === undefined ? [] : ['rows', size.rows, 'cols', size.columns])].join(' ')
  const line = [
    `${TOOLS} stty ${settings}`,
    ...(owner === undefined ? [] : [`${TOOLS} chown ${owner} "$(${TOOLS} tty)"`]),
    ...(mainFile === undefined ? [] : [`echo "$$" >${shellQuote(mainFile)}`]),
    `${TOOLS} tty >${shellQuote(terminalFile)}`,
    // script(1) takes the shell from here; the program is to find what it was given.
    shell === undefined ? 'unset SHELL' : `SHELL=${shellQuote(shell)}`,
    `exec ${command.map(shellQuote).join(' ')}`,
  ].join('; ')
  return {
    command: [script, '-qfec', line, '/dev/null'],
    environment: { TERM: 'xterm', ...environment, SHELL: '/bin/sh' },
  }
}

/** The terminal of a running program. */
export class Terminal {
  readonly #file: string
  readonly #clock: Clock
  #wanted: TerminalSize | undefined
  #applying: Promise<void> | undefined

  constructor(terminalFile: string, clock: Clock) {
    this.#file = terminalFile
    this.#clock = clock
  }

  /**
   * Sets the size; the program gets SIGWINCH. Of sizes that come faster than they can be set the last one counts.
   * Resolves when it is set, or when there is no terminal to set it on.
   */
  resize(size: TerminalSize): Promise<void> {
    this.#wanted = size
    this.#applying ??= this.#apply()
    return this.#applying
  }

  /** Resolves when the terminal is there, or when it is clear that it never will be. */
  async ready(): Promise<string | undefined> {
    for (let i = 0; i < POLLS_MAX; i++) {
      const path = this.#path()
      if (path !== undefined) return path
      await new Promise<void>((resolve) => this.#clock.setTimer(POLL_MS, resolve))
    }
    return undefined
  }

  async #apply(): Promise<void> {
    const path = await this.ready()
    while (this.#wanted !== undefined && path !== undefined) {
      const { rows, columns } = this.#wanted
      this.#wanted = undefined
      await new Promise<void>((resolve) => {
        execFile('stty', ['-F', path, 'rows', String(rows), 'cols', String(columns)], () => resolve())
      })
    }
    this.#applying = undefined
  }

  #path(): string | undefined {
    try {
      return /^(\/dev\/pts\/\d+)\n$/.exec(readFileSync(this.#file, 'latin1'))?.[1]
    } catch {
      return undefined
    }
  }
}

/**
 * The supervisor of one container: a POSIX shell that outlives the agent, waits for the container's main process and
 * writes down its exit code. Everything the user wrote arrives as positional parameters and is never read as shell.
 *
 *     sh -c SHIM wherry <attempt directory> <command> <argument>…
 *
 * - It leads a session and process group of its own (`detached`), so that no terminal and no other group reaches it.
 * - A trap with a handler, unlike an ignored signal, is not inherited: the command gets the default dispositions.
 * - An agent that was killed while it started the shim may have a successor before the shim has come so far. The
 *   successor writes `disowned` and then looks for the shim's number; the shim does it the other way around, so one of
 *   them sees the other and no container runs that nobody knows.
 * - The command runs in the foreground, because a shell starts background commands with SIGINT and SIGQUIT ignored. An
 *   inner shell notes the process number and becomes the command.
 * - The shell's own remarks ("Killed") go nowhere; descriptor 3 carries the container's stderr past that
 *   (not as a redirection of the command: some shells apply those to themselves first).
 * - A container with an input reads from a named pipe. A process of its own keeps that open for writing while clients
 *   come and go, and also while there is no agent; the container's input ends when that process is killed.
 * - `exit` is one write of a few bytes that ends in a line feed: without the line feed it does not count.
 * - At last the group is killed, as the end of a PID namespace would, so nothing lingers while the agent is away. Only
 *   when the exit code could not be written does the shim leave with that code instead.
 */
export const SHIM = `echo "$$" >"$1/shim"
[ -e "$1/disowned" ] && exit 137
trap : HUP INT QUIT TERM USR1 USR2 ALRM
exec 3>&2 2>/dev/null
if [ -p "$1/stdin" ]; then
  exec 4<>"$1/stdin"
  /bin/sh -c 'echo "$$" >"$1/stdin-holder"; exec sleep 2147483647' sh "$1" >/dev/null 3>&- &
  exec 4<&-
fi
/bin/sh -c 'exec 2>&3 3>&-; echo "$$" >"$1/main"; shift; exec "$@"' sh "$@"
code=$?
echo "$code" >"$1/exit" && kill -KILL 0
exit "$code"
`

/** Carries the container's id in the environment of all its processes; see `process-table.ts`. */
export const CONTAINER_MARKER = 'WHERRY_CONTAINER'

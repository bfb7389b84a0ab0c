import type { Socket } from 'node:net'

/**
 * Resets a connection now. `socket.resetAndDestroy()` first ends the stream: what is pending must be taken by the other
 * side, which may never do so, then FIN goes out before RST; and when the socket is destroyed for another reason
 * while its end is under way, the reset is refused and the descriptor stays open for ever (Node 24). In that moment,
 * when all has been sent, it is only closed here.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  const isEnding = socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished
  // What `resetAndDestroy` sets, too; it has no other way to say what `destroy` is to do.
  ;(socket as { resetAndClosing?: boolean }).resetAndClosing = !isEnding && !socket.connecting
  socket.destroy()
}

/** Ends one's own side. When the other side has ended, too, and nothing is pending, closing says the same for less. */
export function endSocket(socket: Socket): void {
  if (socket.readableEnded && socket.writableLength === 0) socket.destroy()
  else socket.end()
}

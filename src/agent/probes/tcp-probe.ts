import { connect } from 'node:net'
import { connectionMessage } from './http-probe.ts'
import type { ProbeResult } from './probe-result.ts'

/** Success when the connection is accepted; it is closed at once. */
export function tcpProbe(host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(result)
    }
    const timer = setTimeout(
      () => finish({ ok: false, output: `dial tcp ${host}:${port}: i/o timeout` }),
      Math.max(1, timeoutMs),
    )
    socket.once('connect', () => finish({ ok: true, output: '' }))
    socket.once('error', (error) => finish({ ok: false, output: connectionMessage(error, `${host}:${port}`) }))
  })
}

import { isIP } from 'node:net'

export interface AddressAndPort {
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:8080` or `[::1]:8080`; undefined when it is neither. Names are not looked up. */
export function parseAddress(text: string): AddressAndPort | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const [, v6, v4, digits] = match
  const port = Number(digits)
  if (port > 65_535 || isIP(v6 ?? v4!) !== (v6 === undefined ? 4 : 6)) return undefined
  return { host: v6 ?? v4!, port }
}

/** As it is written in addresses: IPv6 in brackets. */
export function formatAddress({ host, port }: AddressAndPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

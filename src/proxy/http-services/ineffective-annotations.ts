import type { Service } from '../../api/types/core-v1.gen.ts'
import { mistake } from './decode-http-annotations.ts'
import { ANNOTATION_PREFIX, HTTP_ANNOTATIONS } from './http-annotations.ts'
import { httpProtocol } from './http-protocol.ts'

/** What a Service's annotations ask for that concerns no port of it, each as a sentence: a name misspelt, or no HTTP. */
export function ineffectiveAnnotations(service: Service): readonly string[] {
  const ports = (service.spec?.ports ?? [])
    .filter((port) => httpProtocol(port) !== undefined)
    .map(({ name }) => name ?? '')
  return Object.entries(service.metadata?.annotations ?? {}).flatMap(([key, value]) => {
    if (!key.startsWith(ANNOTATION_PREFIX)) return []
    const why = reasonAgainst(key.slice(ANNOTATION_PREFIX.length), ports)
    return why === undefined ? [] : [mistake(key, value, why)]
  })
}

function reasonAgainst(name: string, ports: readonly string[]): string | undefined {
  const known = HTTP_ANNOTATIONS.find((annotation) => name === annotation || name.startsWith(`${annotation}.`))
  if (known === undefined)
    return `is not known; Services may have ${HTTP_ANNOTATIONS.map((annotation) => ANNOTATION_PREFIX + annotation).join(', ')}`
  if (ports.length === 0) return 'has no effect: no port has appProtocol http or a name such as http or http-web'
  const port = name.slice(known.length + 1)
  if (port === '' || ports.includes(port)) return undefined
  return `has no effect: the Service has no HTTP port ${port}; there are ${ports.map((own) => own || '(one without a name)').join(', ')}`
}

import { type FieldError, invalid, notSupported, required } from '../../field-error.ts'
import { dns1123LabelErrors, dns1123SubdomainErrors } from '../../names.ts'
import type { PodSpec } from '../../types/core-v1.gen.ts'
import { ipErrors } from '../ip-rules.ts'

const POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']
const NAMESERVERS_MAX = 3
const SEARCHES_MAX = 32
const SEARCH_CHARACTERS_MAX = 2_048

function validateConfig(spec: PodSpec, path: string): readonly FieldError[] {
  const config = spec.dnsConfig
  const nameservers = config?.nameservers ?? []
  if (spec.dnsPolicy === 'None' && nameservers.length === 0) {
    const text = `must provide at least one DNS nameserver when \`dnsPolicy\` is ${spec.dnsPolicy}`
    return [required(config === undefined ? path : `${path}.nameservers`, text)]
  }
  const errors: FieldError[] = []
  if (nameservers.length > NAMESERVERS_MAX)
    errors.push(invalid(`${path}.nameservers`, nameservers, `must not have more than ${NAMESERVERS_MAX} nameservers`))
  for (const [i, ip] of nameservers.entries())
    for (const text of ipErrors(ip)) errors.push(invalid(`${path}.nameservers[${i}]`, ip, text))
  const searches = config?.searches ?? []
  if (searches.length > SEARCHES_MAX)
    errors.push(invalid(`${path}.searches`, searches, `must not have more than ${SEARCHES_MAX} search paths`))
  if (searches.join(' ').length > SEARCH_CHARACTERS_MAX) {
    const text = `must not have more than ${SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list`
    errors.push(invalid(`${path}.searches`, searches, text))
  }
  for (const [i, search] of searches.entries()) {
    if (search === '.') continue
    // Names like `_tcp.example.com` are searched too.
    for (const text of dns1123SubdomainErrors(search.replace(/\.$/, '').replaceAll('_', '-').replace(/^-+/, '')))
      errors.push(invalid(`${path}.searches[${i}]`, search, text))
  }
  for (const [i, option] of (config?.options ?? []).entries())
    if (!option.name) errors.push(required(`${path}.options[${i}]`, 'must not be empty'))
  return errors
}

/** Findings on how a pod is named and how it finds names; `path` is the spec's. */
export function validatePodDns(spec: PodSpec, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (!spec.dnsPolicy) errors.push(required(`${path}.dnsPolicy`))
  else if (!POLICIES.includes(spec.dnsPolicy)) errors.push(notSupported(`${path}.dnsPolicy`, spec.dnsPolicy, POLICIES))
  errors.push(...validateConfig(spec, `${path}.dnsConfig`))
  for (const field of ['hostname', 'subdomain'] as const)
    if (spec[field])
      for (const text of dns1123LabelErrors(spec[field])) errors.push(invalid(`${path}.${field}`, spec[field], text))
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    const at = `${path}.hostAliases[${i}]`
    for (const text of ipErrors(alias.ip ?? '')) errors.push(invalid(`${at}.ip`, alias.ip, text))
    for (const [j, name] of (alias.hostnames ?? []).entries())
      for (const text of dns1123SubdomainErrors(name)) errors.push(invalid(`${at}.hostnames[${j}]`, name, text))
  }
  return errors
}

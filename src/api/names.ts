// The forms of names, each check giving Kubernetes' own sentences; an empty list means that the value is good.

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const LABEL_RE = new RegExp(`^${LABEL}$`)
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const SUBDOMAIN_RE = new RegExp(`^${SUBDOMAIN}$`)
const LABEL1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const LABEL1035_RE = new RegExp(`^${LABEL1035}$`)
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const QUALIFIED_RE = new RegExp(`^${QUALIFIED}$`)

function tooLong(most: number): string {
  return `must be no more than ${most} characters`
}

/** A lower-case DNS label of at most 63 characters (RFC 1123). */
export function dns1123LabelErrors(value: string): readonly string[] {
  const errors = value.length > 63 ? [tooLong(63)] : []
  if (!LABEL_RE.test(value)) {
    errors.push(
      `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`,
    )
  }
  return errors
}

/** DNS labels joined by dots, at most 253 characters in all (RFC 1123). */
export function dns1123SubdomainErrors(value: string): readonly string[] {
  if (value.length > 253) return [tooLong(253)]
  if (SUBDOMAIN_RE.test(value)) return []
  return [
    `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`,
  ]
}

/** A lower-case DNS label that starts with a letter (RFC 1035), at most 63 characters. */
export function dns1035LabelErrors(value: string): readonly string[] {
  const errors = value.length > 63 ? [tooLong(63)] : []
  if (!LABEL1035_RE.test(value)) {
    errors.push(
      `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '${LABEL1035}')`,
    )
  }
  return errors
}

/** A name that may be one segment of a URL's path. */
export function pathSegmentErrors(value: string): readonly string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`]
  return ['/', '%'].filter((c) => value.includes(c)).map((c) => `may not contain '${c}'`)
}

/** The key of a label or annotation: `name` or `dns.prefix/name`. */
export function qualifiedNameErrors(key: string): readonly string[] {
  const parts = key.split('/')
  const errors: string[] = []
  if (parts.length > 2) {
    return [
      `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const name = parts.at(-1)!
  if (parts.length === 2) {
    if (parts[0] === '') errors.push('prefix part must be non-empty')
    else errors.push(...dns1123SubdomainErrors(parts[0]!).map((text) => `prefix part ${text}`))
  }
  if (name === '') errors.push('name part must be non-empty')
  else if (name.length > 63) errors.push(`name part ${tooLong(63)}`)
  if (!QUALIFIED_RE.test(name)) {
    errors.push(
      `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`,
    )
  }
  return errors
}

/** A label's value: empty, or at most 63 characters of the qualified form. */
export function labelValueErrors(value: string): readonly string[] {
  const errors = value.length > 63 ? [tooLong(63)] : []
  if (value !== '' && !QUALIFIED_RE.test(value)) {
    errors.push(
      `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${QUALIFIED})?')`,
    )
  }
  return errors
}

/** An environment variable's name: any printable ASCII but `=`, since Kubernetes 1.34. */
export function envVarNameErrors(value: string): readonly string[] {
  if (value === '') return ['environment variable name must not be empty']
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

/** A key of a ConfigMap or Secret. */
export function configMapKeyErrors(value: string): readonly string[] {
  if (value.length > 253) return [tooLong(253)]
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) {
    return [
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ]
  }
  if (value === '.') return ["must not be '.'"]
  if (value === '..' || value.startsWith('..'))
    return [value === '..' ? "must not be '..'" : "must not start with '..'"]
  return []
}

/** A port's name (RFC 6335 service name): at most 15 characters, at least one letter, no double dash. */
export function portNameErrors(value: string): readonly string[] {
  const errors: string[] = []
  if (value.length > 15) errors.push(tooLong(15))
  if (!/^[-a-z0-9]+$/.test(value)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)')
  if (value.includes('--')) errors.push('must not contain consecutive hyphens')
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen')
  return errors
}

export function portNumberErrors(value: number): readonly string[] {
  return Number.isInteger(value) && value >= 1 && value <= 65_535 ? [] : ['must be between 1 and 65535, inclusive']
}

import { parse } from 'yaml'
import { StatusError } from '../../api/status-error.ts'

/** A YAML body as the JSON value it stands for. Aliases may not blow it up; doubled keys are errors. */
export function parseYaml(bytes: Uint8Array): unknown {
  try {
    return parse(Buffer.from(bytes).toString(), { maxAliasCount: 100, uniqueKeys: true, version: '1.1' })
  } catch (error) {
    throw new StatusError(
      'BadRequest',
      `error converting YAML to JSON: yaml: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

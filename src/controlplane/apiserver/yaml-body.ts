import { parse } from 'yaml'
import { parseJson } from '../../api/json.ts'
import { StatusError } from '../../api/status-error.ts'

/** Every alias counts for what it stands for, so a few bytes cannot become many. */
const ALIASES_MAX = 100

/**
 * A YAML body as the JSON value it stands for, read as Go's parser does: YAML 1.1, but dates and 10:20 are strings.
 * Doubled keys are errors; depth is bounded like JSON's.
 */
export function parseYaml(bytes: Uint8Array): unknown {
  try {
    const value: unknown = parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(), {
      maxAliasCount: ALIASES_MAX,
      uniqueKeys: true,
      version: '1.1',
      customTags: (tags) =>
        tags.filter(
          (tag) =>
            typeof tag === 'string' || (tag.format !== 'TIME' && !/timestamp|binary|set|omap/.test(tag.tag ?? '')),
        ),
    })
    return value === null ? undefined : parseJson(JSON.stringify(value)).value
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new StatusError('BadRequest', `error converting YAML to JSON: yaml: ${why}`)
  }
}

import { stat } from 'node:fs/promises'

/**
 * A text that differs after any change of the files; those that are not there look like nothing. By metadata, since
 * mounted secrets are swapped through symbolic links that no watch follows.
 */
export async function looksOf(files: readonly string[]): Promise<string> {
  const looks = await Promise.all(
    files.map(async (file) => {
      const stats = await stat(file, { bigint: true }).catch(() => undefined)
      return stats === undefined ? '' : `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
    }),
  )
  return looks.join(' ')
}

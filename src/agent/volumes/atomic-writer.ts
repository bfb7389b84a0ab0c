import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, open, readdir, readFile, readlink, rename, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { hasErrorCode } from '../files/open-directory.ts'
import { removeTree } from '../files/remove-tree.ts'
import type { VolumeFile, VolumeFiles } from './volume-file.ts'

const CURRENT = '..data'
const NEXT = '..data_tmp'
const DIRECTORY_MODE = 0o755
const GENERATION = /^\.\.\d{4}_\d{2}_\d{2}_\d{2}_\d{2}_\d{2}\.[0-9a-f]+$/

/** Only root may give files away. */
const canGiveAway = process.getuid?.() === 0

/**
 * Makes a directory hold exactly these files, all at once for every reader, the way the kubelet does it: the files
 * stand in a directory of their own time (`..2026_01_31_12_00_00.1f2e3d4c`), `..data` is a link to it that is replaced
 * by one rename, and what users see are links `name` → `..data/name`. A reader that holds `..data` open keeps what it
 * saw. Paths are checked already (`checkFilePath`); `nowMs` names the generation. Resolves with whether anything changed; after a crash at any point
 * the next call finishes or clears away what was begun.
 */
export async function writeFiles(directory: string, files: VolumeFiles, nowMs: number): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
  await chmod(directory, DIRECTORY_MODE)
  let current = await currentGeneration(directory)
  const isNew = current === undefined || !(await holds(join(directory, current), files))
  if (isNew) {
    const next = await writeGeneration(directory, files, nowMs)
    await removeTree(join(directory, NEXT))
    await symlink(next, join(directory, NEXT))
    await rename(join(directory, NEXT), join(directory, CURRENT))
    current = next
  }
  await showNames(directory, new Set([...files.keys()].map((path) => path.split('/')[0]!)))
  for (const name of await readdir(directory))
    if (name === NEXT || (GENERATION.test(name) && name !== current)) await removeTree(join(directory, name))
  return isNew
}

/** True when the directory has been filled at some time, if not with what it should hold now. */
export async function wasWritten(directory: string): Promise<boolean> {
  return (await currentGeneration(directory)) !== undefined
}

async function currentGeneration(directory: string): Promise<string | undefined> {
  try {
    const name = await readlink(join(directory, CURRENT))
    return GENERATION.test(name) && (await lstat(join(directory, name))).isDirectory() ? name : undefined
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'EINVAL')) return undefined
    throw error
  }
}

async function writeGeneration(directory: string, files: VolumeFiles, nowMs: number): Promise<string> {
  const time = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '_')
  const name = `..${time}.${randomBytes(6).toString('hex')}`
  const root = join(directory, name)
  await mkdir(root)
  await chmod(root, DIRECTORY_MODE)
  for (const [path, file] of files) {
    const parents = path.split('/').slice(0, -1)
    for (let depth = 1; depth <= parents.length; depth++) await makeDirectory(join(root, ...parents.slice(0, depth)))
    await writeFile(join(root, path), file)
  }
  return name
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path)
    await chmod(path, DIRECTORY_MODE)
  } catch (error) {
    if (!hasErrorCode(error, 'EEXIST')) throw error
  }
}

async function writeFile(path: string, { bytes, mode, uid, gid }: VolumeFile): Promise<void> {
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants
  const handle = await open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600)
  try {
    await handle.writeFile(bytes)
    if ((uid ?? gid) !== undefined && canGiveAway)
      await handle.chown(uid ?? process.getuid!(), gid ?? process.getgid!())
    await handle.chmod(mode)
  } finally {
    await handle.close()
  }
}

/** True when a generation is byte for byte and bit for bit what is wanted. */
async function holds(root: string, files: VolumeFiles): Promise<boolean> {
  const present = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = present.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
  if (paths.length !== files.size) return false
  for (const [path, { bytes, mode, uid, gid }] of files) {
    const file = join(root, path)
    const stat = await lstat(file).catch(() => undefined)
    if (stat?.isFile() !== true || stat.size !== bytes.length || (stat.mode & 0o7777) !== mode) return false
    if (uid !== undefined && canGiveAway && stat.uid !== uid) return false
    if (gid !== undefined && canGiveAway && stat.gid !== gid) return false
    if (!(await readFile(file)).equals(bytes)) return false
  }
  return true
}

/** Makes the links that users see be those of the current generation, and no others. */
async function showNames(directory: string, names: ReadonlySet<string>): Promise<void> {
  for (const name of names) {
    const link = join(directory, name)
    if ((await linkTarget(link)) === `${CURRENT}/${name}`) continue
    await removeTree(link)
    await symlink(`${CURRENT}/${name}`, link)
  }
  for (const name of await readdir(directory)) {
    if (names.has(name)) continue
    const link = join(directory, name)
    if ((await linkTarget(link)) === `${CURRENT}/${name}`) await unlink(link)
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'EINVAL')) return undefined
    throw error
  }
}

import { StoreError } from '../store.ts'

/** SQLite's primary result codes that mean something of their own here. */
const SQLITE = { BUSY: 5, READONLY: 8, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const
/** Extended code of a shared-memory file that could not grow: the disk is full, though SQLite calls it an I/O error. */
const IOERR_SHMSIZE = 4_874

const UNWRITABLE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'])

/** What an error of SQLite or of the file system means for whoever uses the store. */
export function storeErrorOf(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error
  const { errcode = 0, code } = error as { readonly errcode?: number; readonly code?: string }
  const why = error instanceof Error ? error.message : String(error)
  const failure = (kind: StoreError['code'], message: string): StoreError =>
    new StoreError(kind, message, { cause: error })
  if (errcode === IOERR_SHMSIZE || code === 'ENOSPC' || code === 'EDQUOT') return fullError(path, error)
  if (code !== undefined && UNWRITABLE.has(code)) return unwritable(path, why, error)
  switch (errcode & 0xff) {
    case SQLITE.FULL:
      return fullError(path, error)
    case SQLITE.BUSY:
      return failure('locked', `${path} is in use by another process`)
    case SQLITE.CORRUPT:
    case SQLITE.NOTADB:
      return corruptError(path, why, error)
    case SQLITE.CANTOPEN:
    case SQLITE.READONLY:
      return unwritable(path, why, error)
    default:
      return failure('failed', `the store at ${path} failed: ${why}`)
  }
}

export function fullError(path: string, cause?: unknown): StoreError {
  return new StoreError('full', `the disk that holds ${path} is full`, { cause })
}

export function corruptError(path: string, why: string, cause?: unknown): StoreError {
  return new StoreError('corrupt', `${path} is damaged (${why}); put back a backup with: wherry restore FILE --force`, {
    cause,
  })
}

function unwritable(path: string, why: string, cause: unknown): StoreError {
  return new StoreError(
    'failed',
    `${path} cannot be opened (${why}); check that its directory exists and may be written`,
    { cause },
  )
}

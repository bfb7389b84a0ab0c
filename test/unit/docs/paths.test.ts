import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../../..')
/** A file or folder of this project in backticks, also with `*` or `{a,b}` in it. */
const PATH = /`((?:\.{1,2}\/)?[\w*{},-]+(?:\/[\w.*{},-]+)*(?:\.(?:ts|js|md|json|yaml)|\/))`/g

function missing(document: string): readonly string[] {
  const text = readFileSync(join(ROOT, document), 'utf8')
  const places = [ROOT, join(ROOT, 'src'), join(ROOT, dirname(document))]
  return (
    [...text.matchAll(PATH)]
      .map(([, path]) => path!)
      // What a running cluster makes, and what npm brings, is in no checkout.
      .filter(
        (path) => !/^(dist|node_modules|nodes|logs|pods|volumes|run|pki|app)\//.test(path) && path !== 'cluster.json',
      )
      .filter((path) => places.every((place) => globSync(path.replace(/\/$/, ''), { cwd: place }).length === 0))
  )
}

const DOCUMENTS = ['README.md', ...globSync('{docs,src,bench}/**/*.md', { cwd: ROOT })].sort()

test('there are documents to look at', () => assert.ok(DOCUMENTS.length > 8))
for (const document of DOCUMENTS)
  test(`every path that ${document} names exists`, () => assert.deepEqual(missing(document), []))

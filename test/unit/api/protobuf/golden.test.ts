import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseJson } from '../../../../src/api/json.ts'
import { encodeObject, hasProtobuf } from '../../../../src/api/protobuf/encode-object.ts'
import { decodeEnvelope } from '../../../../src/api/protobuf/envelope.ts'

/** Every kind with every field set, in both forms, as the Go modules of the API level hold them. */
const SAMPLES = [
  { module: 'k8s.io/api@v0.36.0', folder: 'testdata/HEAD', kinds: 90 },
  { module: 'k8s.io/apiextensions-apiserver@v0.36.0', folder: 'pkg/apis/testdata/HEAD', kinds: 1 },
]

/** Kinds whose sample holds zero values that Go writes and this does not; the rest are equal byte by byte. */
const WITH_ZEROS = new Set(['policy.v1.PodDisruptionBudget', 'apiextensions.k8s.io.v1.CustomResourceDefinition'])

function moduleCache(): string | undefined {
  try {
    return execFileSync('go', ['env', 'GOMODCACHE'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

const cache = moduleCache()

for (const { module, folder, kinds } of SAMPLES) {
  const path = cache === undefined ? undefined : join(cache, module, folder)
  const skip =
    path === undefined
      ? 'needs Go'
      : existsSync(path)
        ? false
        : `needs the Go module ${module} (go mod download ${module})`
  test(`samples of ${module}: decoded to their JSON and encoded to their bytes`, { skip }, () => {
    const names = readdirSync(path!)
      .filter((file) => file.endsWith('.pb'))
      .map((file) => file.slice(0, -'.pb'.length))
    let compared = 0
    for (const name of names) {
      const wire = readFileSync(join(path!, `${name}.pb`))
      const { value } = parseJson(readFileSync(join(path!, `${name}.json`)))
      const { apiVersion = '', kind = '' } = value as { readonly apiVersion?: string; readonly kind?: string }
      // Alpha and beta versions are not in the table.
      if (!hasProtobuf(apiVersion, kind)) continue
      compared += 1
      assert.deepEqual(decodeEnvelope(wire), value, name)
      const encoded = encodeObject(value as object)
      if (WITH_ZEROS.has(name)) assert.deepEqual(decodeEnvelope(encoded), value, name)
      else assert.ok(encoded.equals(wire), `${name} is not encoded to the same bytes`)
    }
    assert.ok(compared >= kinds, `only ${compared} samples were compared`)
  })
}

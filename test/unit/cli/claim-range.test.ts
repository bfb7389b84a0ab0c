import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { afterEach, test } from 'node:test'
import { type RangeClaim, shareRange } from '../../../src/cli/up/claim-range.ts'
import { eventually } from '../../harness/eventually.ts'

const OCTET = 121
const claims: RangeClaim[] = []
afterEach(() => {
  for (const claim of claims.splice(0)) claim.close()
})

async function share(id: string): Promise<RangeClaim | undefined> {
  const claim = await shareRange(OCTET, id)
  if (claim !== undefined) claims.push(claim)
  return claim
}

test('parts of one cluster share its range, another cluster does not get it', async () => {
  assert(await share('shop'))
  assert(await share('shop'))
  assert.equal(await share('other'), undefined)
})

/** What whoever holds the range says of itself; rejects when nobody does. */
function holder(): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    connect({ host: `127.${OCTET}.255.254`, port: 1_024 })
      .setEncoding('utf8')
      .on('data', (chunk) => {
        text += chunk
      })
      .on('error', reject)
      .on('close', () => resolve(text.trim()))
  })
}

test('when the one that holds it ends, another part takes it; when all have ended it is free', async () => {
  const first = await share('shop')
  await share('shop')
  assert.equal(await holder(), 'shop')
  first?.close()
  await assert.rejects(holder())
  assert.equal(await eventually(holder), 'shop')
  for (const claim of claims.splice(0)) claim.close()
  assert(await eventually(() => share('other')))
})

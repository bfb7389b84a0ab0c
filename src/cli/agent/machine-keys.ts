import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { type ProvenKey, proofText } from '../../api/machine-join.ts'

/** A private key of this machine's, PKCS#8 as PEM. */
export function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** The public half, with the proof that whoever shows it has the private one. */
export function provenKey(privateKey: string, caHash: string, machine: string): ProvenKey {
  const key = createPrivateKey(privateKey)
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
  const proof = sign('sha256', Buffer.from(proofText(caHash, machine, publicKey)), key).toString('base64')
  return { publicKey, proof }
}

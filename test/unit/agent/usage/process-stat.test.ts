import assert from 'node:assert/strict'
import { test } from 'node:test'
import { busyNanoseconds, machineMemory } from '../../../../src/agent/usage/machine-usage.ts'
import { parseProcessStat, parseSharedPages } from '../../../../src/agent/usage/process-stat.ts'

function line(comm: string): string {
  const fields = [
    'S 1808 1808 28111 0 -1 4194304 99 0 0 0 17 5 300 42 20 0 1 0',
    '563246 3133440 406 18446744073709551615 94696222556160',
  ]
  return `1812 (${comm}) ${fields.join(' ')}\n`
}

const WANT = { parent: 1808, startTicks: 563_246, ownTicks: 22, reapedTicks: 342, residentPages: 406 }

for (const comm of ['cat', 'my (prog) x', ') S 1 1 1', '', 'a\nb'])
  test(`a process is read past its name ${JSON.stringify(comm)}`, () => {
    assert.deepEqual(parseProcessStat(line(comm)), WANT)
  })

test('what is no line of the kernel is no process', () => {
  for (const text of ['', 'nonsense', '1 (a)', '1 (a) S 1 2 3', line('a').replace('563246', 'x')])
    assert.equal(parseProcessStat(text), undefined, text)
})

test('resident pages of files and shared memory', () => {
  assert.equal(parseSharedPages('765 409 381 5 0 123 0\n'), 381)
  assert.equal(parseSharedPages(''), 0)
})

test('the busy time of the machine leaves out what waits, what was stolen, and guests counted twice', () => {
  assert.equal(busyNanoseconds('cpu  100 20 30 4000 500 6 7 80 9 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n'), 163 * 1e7)
  assert.equal(busyNanoseconds(''), 0)
})

test('the working set of the machine is what is used less the files that nobody has asked for lately', () => {
  const meminfo =
    'MemTotal:  1000 kB\nMemFree:  300 kB\nInactive:  400 kB\nInactive(anon): 50 kB\nInactive(file):  200 kB\nAnonPages:   150 kB\n'
  assert.deepEqual(machineMemory(meminfo), {
    capacityBytes: 1000 * 1024,
    usageBytes: 700 * 1024,
    workingSetBytes: 500 * 1024,
    rssBytes: 150 * 1024,
  })
})

/**
 * The two programs that wherry brings into an engine itself, since no registry and no compiler can be counted on:
 * static ELF files of a few hundred bytes, one segment each, without a library. The machine code was assembled from
 * the listings beside it.
 */
export type ProgramArchitecture = 'x64' | 'arm64'

interface MachineCode {
  /** Number of the architecture in an ELF header. */
  readonly elfMachine: number
  /**
   * Holds a pod's namespaces: ignores SIGCHLD, so that the kernel itself reaps what is orphaned in a shared process
   * namespace, and sleeps. As process 1 it ends by SIGKILL only.
   *
   *     rt_sigaction(SIGCHLD, { SIG_IGN }, NULL, 8); for (;;) pause()        (arm64: ppoll(NULL, 0, NULL, NULL, 0))
   */
  readonly pause: string
  /**
   * Sends the netlink message that follows it and exits with the error number of the answer. The last four bytes are
   * the message's length.
   *
   *     fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); sendto(fd, message, length, 0, NULL, 0)
   *     recvfrom(fd, stack, 256, 0, NULL, NULL); exit(-stack->error)
   */
  readonly netlink: string
}

const CODE: Readonly<Record<ProgramArchitecture, MachineCode>> = {
  x64: {
    elfMachine: 62,
    pause:
      'b80d000000bf11000000488d351700000031d241ba080000000f05b8220000000f05ebf70f1f4000' +
      '0100000000000000000000000000000000000000000000000000000000000000',
    netlink:
      'b829000000bf10000000be0300000031d20f0589c389c7488d35420000008b56fc4531d24531c04531c9b82c0000000f05' +
      '4881ec0001000089df4889e6ba00010000b82d0000000f058b7c2410f7dfb83c0000000f05669000000000' +
      '00000000',
  },
  arm64: {
    elfMachine: 183,
    pause:
      'c81080d2200280d281010010020080d2030180d2010000d4280980d2000080d2010080d2020080d2030080d2040080d2010000d4' +
      'f9ffff170100000000000000000000000000000000000000000000000000000000000000',
    netlink:
      'c81880d2000280d2610080d2020080d2010000d4f30300aac102001022c05fb8030080d2040080d2050080d2c81980d2010000d4' +
      'ff0304d1e00313aae1030091022080d2030080d2040080d2050080d2e81980d2010000d4e01340b9e003004ba80b80d2010000d4' +
      '0000000000000000',
  },
}

const HEADER_BYTES = 64 + 56
const LOAD_ADDRESS = 0x400000n
const SEGMENT_ALIGN = 0x10000n
const READ_EXECUTE = 5

function elf(machine: number, code: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  // Class 64 bit, little endian, version 1.
  header.write('7f454c46020101', 0, 'hex')
  header.writeUInt16LE(2, 16) // executable
  header.writeUInt16LE(machine, 18)
  header.writeUInt32LE(1, 20)
  header.writeBigUInt64LE(LOAD_ADDRESS + BigInt(HEADER_BYTES), 24) // entry
  header.writeBigUInt64LE(64n, 32) // program headers
  header.writeUInt16LE(64, 52)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(1, 56)
  const segment = header.subarray(64)
  const size = BigInt(HEADER_BYTES + code.length)
  segment.writeUInt32LE(1, 0) // loaded
  segment.writeUInt32LE(READ_EXECUTE, 4)
  segment.writeBigUInt64LE(LOAD_ADDRESS, 16)
  segment.writeBigUInt64LE(LOAD_ADDRESS, 24)
  segment.writeBigUInt64LE(size, 32)
  segment.writeBigUInt64LE(size, 40)
  segment.writeBigUInt64LE(SEGMENT_ALIGN, 48)
  return Buffer.concat([header, code])
}

/** The architecture of an engine as `docker version` says it; undefined for one that there is no program for. */
export function programArchitecture(engineArchitecture: string): ProgramArchitecture | undefined {
  if (engineArchitecture === 'amd64' || engineArchitecture === 'x86_64') return 'x64'
  if (engineArchitecture === 'arm64' || engineArchitecture === 'aarch64') return 'arm64'
  return undefined
}

/** The program of a pod's sandbox. */
export function pauseProgram(architecture: ProgramArchitecture): Buffer {
  const { elfMachine, pause } = CODE[architecture]
  return elf(elfMachine, Buffer.from(pause, 'hex'))
}

/** A program that sends one netlink message and exits with 0, or with the error number of the answer. */
export function netlinkProgram(architecture: ProgramArchitecture, message: Buffer): Buffer {
  const { elfMachine, netlink } = CODE[architecture]
  const code = Buffer.from(netlink, 'hex')
  code.writeUInt32LE(message.length, code.length - 4)
  return elf(elfMachine, Buffer.concat([code, message]))
}

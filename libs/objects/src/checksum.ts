/**
 * The checksum that a store keeps of a whole object, counted by us while the object is read: a vendor's client checks a
 * body that it reads in one go, not one that is continued after a cut.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Fastest first. */
export const checksumAlgorithms = ['crc32', 'sha256', 'sha1', 'md5', 'crc32c', 'crc64nvme'] as const
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number]

export interface Checksum {
  algorithm: ChecksumAlgorithm
  /** Of the bytes as they are stored, most significant byte first, in Base64. */
  value: string
}
export interface ChecksumCounter {
  update(chunk: Uint8Array): void
  /** In Base64. Nothing is counted afterwards. */
  digest(): Promise<string>
}

export const openChecksum = async (algorithm: ChecksumAlgorithm): Promise<ChecksumCounter> => {
  switch (algorithm) {
    case 'crc32': {
      let value = 0
      return {
        update: (chunk) => {
          value = crc32(chunk, value)
        },
        digest: () => {
          const bytes = Buffer.alloc(4)
          bytes.writeUInt32BE(value)
          return Promise.resolve(bytes.toString('base64'))
        },
      }
    }
    case 'crc32c':
    case 'crc64nvme': {
      const { Crc32cJs, Crc64NvmeJs } = await import('@aws-sdk/checksums/crc')
      const counter = algorithm === 'crc32c' ? new Crc32cJs() : new Crc64NvmeJs()
      return {
        update: (chunk) => {
          counter.update(chunk)
        },
        digest: async () => Buffer.from(await counter.digest()).toString('base64'),
      }
    }
    case 'md5':
    case 'sha1':
    case 'sha256': {
      const hash = createHash(algorithm)
      return {
        update: (chunk) => {
          hash.update(chunk)
        },
        digest: () => Promise.resolve(hash.digest('base64')),
      }
    }
  }
}

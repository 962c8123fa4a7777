/**
 * S3, Azure Blob and Cloud Storage over HTTP in front of the bucket folders: what the vendors' clients ask to list and
 * to read, for the tests of the clients' side of the door. Signatures are not checked. Loopback only; `npm start` does
 * not open them, since locally the door reads the folders themselves.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from './front/answering.ts'
import type { FrontState, StoreFrontOptions } from './front/state.ts'

export type { RequestFault, StoreFrontOptions } from './front/state.ts'

export interface StoreFront {
  port: number
  close(): Promise<void>
}

export const openStoreFront = async ({
  store,
  objects,
  port,
  s3_checksum = 'crc64nvme',
  owner,
  fault,
}: StoreFrontOptions): Promise<StoreFront> => {
  const front: FrontState = { store, objects, s3_checksum, owner, fault, checksums: new Map() }
  const server = createServer((request, response) => {
    void answer(front, request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

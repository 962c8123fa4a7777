/**
 * Cloud KMS's wire protocol in front of the key file: what an unmodified client of Google asks for symmetric keys.
 * Names are `projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{key}/cryptoKeyVersions/{number}`; any
 * location does.
 */
import {
  listen,
  loadServices,
  newServer,
  shut,
  unary,
  unsupported,
  warnOfReach,
  type FrontLog,
} from '@convergence/local-wire'
import type * as grpc from '@grpc/grpc-js'
import { cipherMethods } from './front/ciphers.ts'
import { keyMethods } from './front/keys.ts'
import { ringMethods } from './front/rings.ts'
import type { FrontState } from './front/state.ts'
import { versionMethods } from './front/versions.ts'
import type { Keyring } from './api.ts'

export interface KmsFrontOptions {
  keyring: Keyring
  project_id: string
  /** Default 127.0.0.1. Whoever reaches it may use every key. */
  host?: string
  /** 0 takes a free one. */
  port: number
  log: FrontLog
}
export interface KmsFront {
  port: number
  /** Answers what is under way, then stops. */
  close(): Promise<void>
}

export const openKmsFront = async ({
  keyring,
  project_id,
  host = '127.0.0.1',
  port,
  log,
}: KmsFrontOptions): Promise<KmsFront> => {
  const service = loadServices('@google-cloud/kms')
  const front: FrontState = { keyring, project_id, log }
  const methods: grpc.UntypedServiceImplementation = {
    ...ringMethods(front),
    ...keyMethods(front),
    ...versionMethods(front),
    ...cipherMethods(front),
  }
  const definition = service('google.cloud.kms.v1.KeyManagementService')
  for (const name of Object.keys(definition))
    methods[name] ??= unary(log, name, () => {
      throw unsupported(`KeyManagementService.${name}`)
    })

  const server = newServer()
  server.addService(definition, methods)
  const bound = await listen(server, host, port, 'KMS_PORT')
  warnOfReach(log, 'KMS', host, bound)
  return { port: bound, close: () => shut(server) }
}

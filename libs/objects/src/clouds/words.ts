/** What went wrong, in the terms of the door. */
import { AppError } from '@convergence/contracts'
import type { Access, Store } from '../objects.ts'
import type { Fault } from './remote.ts'

export const storeNames: Readonly<Record<Store, string>> = {
  s3: 'S3 bucket',
  azure: 'Azure container',
  gcs: 'Cloud Storage bucket',
}

/** Whose words they are. Never a credential's own. */
export interface Place {
  store: Store
  bucket: string
  key?: string
  access: Access
}

export const asAppError = (
  { kind, reason, request_id }: Fault,
  { store, bucket, key, access }: Place,
  cause?: unknown,
): AppError => {
  const what = `${storeNames[store]} ${bucket}${key === undefined ? '' : `, object ${key}`}`
  const said = `${reason}${request_id === undefined ? '' : `, request ${request_id}`}`
  switch (kind) {
    case 'bucket missing':
      return new AppError(
        'OBJECT_NOT_FOUND',
        `${storeNames[store]} ${bucket} does not exist (${said}); check its name and that this account may see it`,
        { cause },
      )
    case 'object missing':
      return new AppError('OBJECT_NOT_FOUND', `${what} does not exist (${said})`, { cause })
    case 'denied':
      return new AppError(
        'SETTING_INVALID',
        `${what}: reading is refused (${said}); ${access.credential === undefined ? 'give the identity of this process' : 'give the credential of the source'} the right to list and read it`,
        { cause },
      )
    case 'changed':
      return new AppError('OBJECT_CHANGED', `${what} was replaced while it was read (${said})`, { cause })
    case 'damaged':
      return new AppError('SOURCE_UNAVAILABLE', `${what} changed on its way (${said}); it is read again`, { cause })
    case 'passing':
      return new AppError('SOURCE_UNAVAILABLE', `${what} cannot be read now (${said}); it is tried again`, { cause })
    case 'other':
      return new AppError('SOURCE_UNAVAILABLE', `${what} cannot be read (${said})`, { cause })
  }
}

/** Refusals, in each store's words. */
import type { Store } from '@convergence/objects'
import type { FrontState } from './state.ts'

const missingCodes: Readonly<Record<Store, { bucket: string; object: string }>> = {
  s3: { bucket: 'NoSuchBucket', object: 'NoSuchKey' },
  azure: { bucket: 'ContainerNotFound', object: 'BlobNotFound' },
  gcs: { bucket: 'notFound', object: 'notFound' },
}

export const faultCodes: Readonly<Record<Store, { denied: string; busy: string }>> = {
  s3: { denied: 'AccessDenied', busy: 'SlowDown' },
  azure: { denied: 'AuthorizationFailure', busy: 'ServerBusy' },
  gcs: { denied: 'forbidden', busy: 'ServerBusy' },
}

export const escapedXml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\r', '&#13;')

export interface Body {
  type: string
  text: string
}

export interface Refusal {
  status: number
  code: string
  message: string
}

export class Refused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

export const errorBody = (front: FrontState, { status, code, message }: Refusal): Body =>
  front.store === 'gcs'
    ? {
        type: 'application/json',
        text: JSON.stringify({
          error: { code: status, message, errors: [{ domain: 'global', reason: code, message }] },
        }),
      }
    : {
        type: 'application/xml',
        text:
          `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code>` +
          `<Message>${escapedXml(message)}</Message></Error>`,
      }

export const notFound = (front: FrontState, what: 'bucket' | 'object'): Refusal => ({
  status: 404,
  message: `The specified ${what} does not exist.`,
  code: missingCodes[front.store][what],
})

/** Slack's incoming webhooks, and nothing else on the network. */
import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import { request } from 'node:https'
import type { LookupFunction } from 'node:net'
import { AppError, faultOf } from '@convergence/contracts'
import { isPublic } from '@convergence/contracts/public-address'
import type { Outcome, Slack } from './channel.ts'

/** The one form of a webhook; its path is the secret. */
const webhook = /^https:\/\/hooks\.slack\.com\/services\/T[A-Z0-9]{1,20}\/B[A-Z0-9]{1,20}\/[A-Za-z0-9]{1,64}$/

/** Throws CONFIG_INVALID, without repeating the value, unless the text is exactly a Slack webhook. */
export const webhookOf = (text: string): URL => {
  if (!webhook.test(text))
    throw new AppError(
      'CONFIG_INVALID',
      'the stored Slack webhook is not https://hooks.slack.com/services/T../B../..; store it again',
    )
  return new URL(text)
}

type Resolve = (
  hostname: string,
  options: { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/**
 * Resolves names for a socket, which then connects to the very address that was checked. One bad answer among good ones
 * is refused too.
 */
export const publicOnly =
  (resolve: Resolve): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname, { all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '', 0)
        return
      }
      const [first] = addresses
      if (first === undefined || !addresses.every(({ address }) => isPublic(address)))
        callback(new AppError('FORBIDDEN', `${hostname} resolves to an address that is not public`), '', 0)
      else if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }

/** Status and Retry-After of an answer; its body is not read. */
export interface Answer {
  status: number
  retry_after?: string
}
export type Post = (url: URL, body: string, signal: AbortSignal) => Promise<Answer>

/** One request: no redirects, no proxy, no connection kept. */
export const postPublic =
  (resolve: Resolve = systemLookup): Post =>
  (url, body, signal) =>
    new Promise((done, fail) => {
      const sent = request(
        url,
        {
          method: 'POST',
          agent: false,
          lookup: publicOnly(resolve),
          signal,
          timeout: 5_000,
          headers: { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) },
        },
        (response) => {
          const retry_after = response.headers['retry-after']
          response.destroy()
          done({ status: response.statusCode ?? 0, ...(retry_after === undefined ? {} : { retry_after }) })
        },
      )
      sent.on('timeout', () => {
        sent.destroy(new AppError('DELIVERY_FAILED', 'Slack did not answer in time'))
      })
      sent.on('error', fail)
      sent.end(body)
    })

export const openSlack = ({
  post = postPublic(),
  timeout_ms = 10_000,
}: { post?: Post; timeout_ms?: number } = {}): Slack => ({
  post: async ({ url, channel, text }, signal) => {
    const target = webhookOf(url)
    let answer: Answer
    try {
      answer = await post(
        target,
        JSON.stringify({ text, ...(channel === undefined ? {} : { channel }) }),
        AbortSignal.any([signal, AbortSignal.timeout(timeout_ms)]),
      )
    } catch (error) {
      if (error instanceof AppError && error.code === 'FORBIDDEN')
        return { kind: 'refused', reason: faultOf(error).message }
      // Never the error's own text: it may hold the URL.
      const cause = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'error'
      return { kind: 'later', reason: `Slack was not reached (${cause})`, uncertain: true }
    }
    return outcomeOf(answer)
  },
})

const outcomeOf = ({ status, retry_after }: Answer): Outcome => {
  if (status >= 200 && status < 300) return { kind: 'sent' }
  const reason = `Slack answered ${status}`
  if (status !== 429 && status < 500)
    return {
      kind: 'refused',
      reason: status >= 300 && status < 400 ? `${reason}, a redirect; none is followed` : reason,
    }
  const seconds = Number(retry_after)
  return {
    kind: 'later',
    reason,
    uncertain: false,
    ...(retry_after !== undefined && Number.isFinite(seconds) && seconds >= 0 ? { after_ms: seconds * 1000 } : {}),
  }
}

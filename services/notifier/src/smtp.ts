import { isIP } from 'node:net'
import { createTransport } from 'nodemailer'
import { AppError } from '@convergence/contracts'
import type { Mail, Outcome } from './channel.ts'

/** What nodemailer says about a failure. */
interface SmtpError extends Error {
  code?: string
  syscall?: string
  command?: string
  responseCode?: number
  response?: string
  rejectedErrors?: (SmtpError & { recipient?: string })[]
}

const loopback = new Set(['127.0.0.1', '::1', '[::1]', 'localhost'])

/**
 * Mail through a server: smtp://user:password@host:port, or smtps:. A password goes over the wire encrypted or not at
 * all, except to this machine. `connect_to`: the address that its name was resolved to; TLS is then always expected.
 * Throws SETTING_INVALID.
 */
export const openSmtp = ({
  url,
  timeout_ms = 10_000,
  connect_to,
}: {
  url: string
  timeout_ms?: number
  connect_to?: string
}): Mail => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['smtp:', 'smtps:'].includes(parsed.protocol) || parsed.hostname === '')
    throw new AppError('SETTING_INVALID', 'SMTP_URL: expected smtp://user:password@host:port or smtps://...')
  const secure = parsed.protocol === 'smtps:'
  const defaultPort = secure ? 465 : 587
  const user = decodeURIComponent(parsed.username)
  const hostname = parsed.hostname.replace(/^\[|\]$/g, '')
  const transport = createTransport({
    host: connect_to ?? hostname,
    ...(connect_to === undefined
      ? {}
      : { requireTLS: !secure, tls: isIP(hostname) === 0 ? { servername: hostname } : {} }),
    port: parsed.port === '' ? defaultPort : Number(parsed.port),
    secure,
    ...(user === ''
      ? {}
      : {
          auth: { user, pass: decodeURIComponent(parsed.password) },
          requireTLS: !secure && (connect_to !== undefined || !loopback.has(parsed.hostname)),
        }),
    connectionTimeout: Math.min(5_000, timeout_ms),
    greetingTimeout: timeout_ms,
    socketTimeout: timeout_ms,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    send: async ({ message_id, from, to, subject, text, possible_duplicate }) => {
      try {
        // Address objects only: as text, a line break or a comma in an address would be a further recipient.
        const info = (await transport.sendMail({
          messageId: message_id,
          from: { name: 'Convergence', address: from },
          to: to.map((address) => ({ name: '', address })),
          subject,
          text,
          ...(possible_duplicate ? { headers: { 'X-Possible-Duplicate': 'yes' } } : {}),
          disableFileAccess: true,
          disableUrlAccess: true,
        })) as { rejectedErrors?: SmtpError['rejectedErrors'] }
        const rejected = info.rejectedErrors ?? []
        return rejected.length === 0 ? { kind: 'sent' } : partly(rejected)
      } catch (error) {
        return outcomeOf(error as SmtpError)
      }
    },
    close: async () => {
      transport.close()
    },
  }
}

const isForGood = ({ responseCode }: SmtpError): boolean => responseCode !== undefined && responseCode >= 500
const reasonOf = ({ code, command, responseCode, response }: SmtpError): string =>
  [
    code ?? 'error',
    command === undefined ? '' : `at ${command}`,
    (response ?? String(responseCode ?? '')).replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 200),
  ]
    .filter((part) => part !== '')
    .join(' ')

/** Some have it. Those that were put off get it later; those that were refused are noted. */
const partly = (rejected: NonNullable<SmtpError['rejectedErrors']>): Outcome => {
  const noted = rejected
    .filter(isForGood)
    .map((error) => `${error.recipient ?? 'a recipient'} was refused: ${reasonOf(error)}`)
    .join('; ')
  const later = rejected.filter((error) => !isForGood(error))
  const note = noted === '' ? {} : { note: noted }
  return later.length === 0
    ? { kind: 'sent', ...note }
    : {
        kind: 'later',
        reason: later.map(reasonOf).join('; '),
        uncertain: false,
        to: later.flatMap(({ recipient }) => recipient ?? []),
        ...note,
      }
}

const outcomeOf = (error: SmtpError): Outcome => {
  const everybody = error.rejectedErrors ?? []
  if (everybody.length > 0 && everybody.some((one) => !isForGood(one))) return partly(everybody)
  // nodemailer does not say how far a conversation had come when it broke: unless there was none, the server may have
  // the mail.
  return isForGood(error)
    ? { kind: 'refused', reason: reasonOf(error) }
    : {
        kind: 'later',
        reason: reasonOf(error),
        uncertain: error.responseCode === undefined && error.syscall !== 'connect' && error.code !== 'EDNS',
      }
}

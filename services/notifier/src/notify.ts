/**
 * Tells about the end of a run. Neither mail nor Slack can be asked whether they have a message already, so each is
 * handed over at least once: an intent is recorded, it is sent, the end is recorded. An intent without an end was
 * interrupted; it is sent again, marked.
 */
import { metrics, type Counter } from '@opentelemetry/api'
import { AppError, faultOf, isRetryable } from '@convergence/contracts'
import { backoffMs } from '@convergence/contracts/retry'
import type { CompiledStep, Fault } from '@convergence/contracts'
import type { Log } from '@convergence/service'
import type { Mail, Outcome, Slack } from './channel.ts'
import type { ResolveRecipients } from './recipients.ts'
import type { Notification, Store } from './store.ts'
import type { TenantMail } from './tenant-mail.ts'
import { fill, isWanted, longestText, slackEscape, subjectOf, variablesOf, type Ended } from './text.ts'
import { kinds } from './kinds.ts'

export interface NotifyDeps {
  store: Store
  /** The platform's, for tenants without a server of their own. */
  mail: Mail
  tenantMail: (tenant_id: string) => Promise<TenantMail | undefined>
  slack: Slack
  /** Opens a credential of the tenant. */
  webhook: (tenant_id: string, step_id: string, ref: string) => Promise<string>
  /** Whom a mail goes to; throws unless the tenant's mails may go to all of them. */
  recipients: ResolveRecipients
  from: string
  random: () => number
  /** Resolves after ms, rejects when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  log: Log
}

/** A longer Retry-After is not waited for: the message would be held for too long. */
const longestPauseMs = 300_000

interface Notifier extends NotifyDeps {
  /** Notifications that are being sent, by run and step. */
  readonly underway: Map<string, Promise<void>>
  readonly sends: Counter
}

type Prepared = Notification & {
  send(options: { to: readonly string[]; possible_duplicate: boolean }, signal: AbortSignal): Promise<Outcome>
}

export const openNotify = (deps: NotifyDeps) => {
  const notifier: Notifier = {
    ...deps,
    underway: new Map(),
    sends: metrics.getMeter('convergence').createCounter('notifier.sends', {
      description: 'Mails and Slack messages handed over, tried in vain, or refused',
    }),
  }

  /** Everything that this run's end asks for; throws when something is to be tried again with the next delivery. */
  return async (event: Ended, signal: AbortSignal): Promise<void> => {
    const wanted = event.run.notifications.filter(({ trigger }) => isWanted(event, trigger))
    const outcomes = await Promise.allSettled(wanted.map((step) => notifyOnce(notifier, event, step, signal)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }
}

/** The same message may be here twice at once: the second waits, and then finds it done. */
const notifyOnce = async (notifier: Notifier, event: Ended, step: CompiledStep, signal: AbortSignal): Promise<void> => {
  const { underway } = notifier
  const key = `${event.run.run_id}.${step.step_id}`
  const again = () => notify(notifier, event, step, signal)
  const work = underway.get(key)?.then(again, again) ?? again()
  underway.set(key, work)
  try {
    await work
  } finally {
    if (underway.get(key) === work) underway.delete(key)
  }
}

const notify = async (notifier: Notifier, event: Ended, step: CompiledStep, signal: AbortSignal): Promise<void> => {
  const { store } = notifier
  const { run } = event
  const channel = step.ps_type === kinds.slack ? ('slack' as const) : ('email' as const)
  const { ended, intents } = await store.find({ run, step_id: step.step_id, channel })
  if (ended) return
  const round = intents + 1
  const possible_duplicate = intents > 0

  let prepared: Prepared
  try {
    prepared = await prepare(notifier, event, step)
  } catch (error) {
    // What may pass is left to the next delivery; what is wrong with this notification does not stop the others.
    if (isRetryable(error)) throw error
    const notification = { run, step_id: step.step_id, channel, recipients: [], subject: '' }
    return recordFailure(notifier, notification, { round, attempts: 0, possible_duplicate, error: faultOf(error) })
  }
  await store.record(prepared, 'INTENT', { round, attempts: 0, possible_duplicate })
  await send(notifier, prepared, step, { round, possible_duplicate }, signal)
}

/** Tries until it is handed over, refused, or out of tries, and records which. */
const send = async (
  notifier: Notifier,
  prepared: Prepared,
  step: CompiledStep,
  { round, possible_duplicate }: { round: number; possible_duplicate: boolean },
  signal: AbortSignal,
): Promise<void> => {
  const { store, random, sleep, sends } = notifier
  const { max_retries, retry_delay_seconds } = step.retry_policy
  let to: readonly string[] = prepared.recipients
  const notes: string[] = []
  for (let attempts = 1; ; attempts += 1) {
    const fail = (message: string) =>
      recordFailure(notifier, prepared, {
        round,
        attempts,
        possible_duplicate,
        error: { code: 'DELIVERY_FAILED', message },
      })
    const outcome = await prepared
      .send({ to, possible_duplicate }, signal)
      .catch((error: unknown): Outcome =>
        isRetryable(error)
          ? { kind: 'later', reason: faultOf(error).message, uncertain: true }
          : { kind: 'refused', reason: faultOf(error).message },
      )
    sends.add(1, { channel: prepared.channel, outcome: outcome.kind })
    if ('note' in outcome) notes.push(outcome.note)
    if (outcome.kind === 'sent') {
      await store.record(prepared, 'SENT', {
        round,
        attempts,
        possible_duplicate,
        ...(notes.length === 0 ? {} : { error: { code: 'DELIVERY_FAILED', message: notes.join('; ') } }),
      })
      return
    }
    if (outcome.kind === 'refused') return fail(outcome.reason)
    possible_duplicate ||= outcome.uncertain
    to = outcome.to ?? to
    const pauseMs =
      outcome.after_ms ?? backoffMs(attempts, { first_ms: retry_delay_seconds * 1_000, most_ms: 60_000 }) * random()
    if (attempts > max_retries || pauseMs > longestPauseMs)
      return fail([`${attempts} tries; the last: ${outcome.reason}`, ...notes].join('; '))
    await sleep(pauseMs, signal).catch(() => undefined)
    if (signal.aborted)
      throw new AppError(
        'UNAVAILABLE',
        `notification ${prepared.step_id} of ${prepared.run.run_id} was interrupted; ` +
          'it goes on where its message comes next',
      )
  }
}

const recordFailure = async (
  { store, log }: Notifier,
  notification: Notification,
  failure: { round: number; attempts: number; possible_duplicate: boolean; error: Fault },
): Promise<void> => {
  const { run, step_id, channel } = notification
  const { attempts, error } = failure
  log.warn(
    { run_id: run.run_id, tenant_id: run.tenant_id, step_id, channel, code: error.code, attempts },
    'a notification was not handed over',
  )
  await store.record(notification, 'FAILED', failure)
}

// ---- what is sent

/** Everything that can be wrong with a notification is found before its intent. */
const prepare = async (notifier: Notifier, event: Ended, step: CompiledStep): Promise<Prepared> => {
  if (step.ps_type === kinds.email) return prepareMail(notifier, event, step)
  if (step.ps_type === kinds.slack) return prepareSlack(notifier, event, step)
  throw new AppError(
    'CONFIG_INVALID',
    `notification ${step.step_id}: ps_type: expected ${Object.values(kinds).join(' or ')}, got ${step.ps_type}`,
  )
}

const prepareMail = async (notifier: Notifier, event: Ended, { step_id, config }: CompiledStep): Promise<Prepared> => {
  const { run } = event
  const own = await notifier.tenantMail(run.tenant_id)
  const mail = own?.mail ?? notifier.mail
  const from = own?.from ?? notifier.from
  const recipients = await notifier.recipients(run.tenant_id, step_id, config['to_emails'])
  const subject = subjectOf(fill(textOf(config['subject_template'], '{pipeline_id}: {status}'), variablesOf(event)))
  const text = bodyOf(event, config)
  return {
    run,
    step_id,
    channel: 'email',
    recipients,
    subject,
    send: ({ to, possible_duplicate }) =>
      mail.send({
        message_id: `<${run.run_id}.${step_id}@convergence.local>`,
        from,
        to,
        subject,
        text,
        possible_duplicate,
      }),
  }
}

const prepareSlack = async (
  { slack, webhook }: Notifier,
  event: Ended,
  { step_id, config }: CompiledStep,
): Promise<Prepared> => {
  const { run } = event
  const ref = textOf(config['slack_webhook_url'], 'slack')
  const channel = config['slack_channel'] === undefined ? undefined : textOf(config['slack_channel'], '')
  if (channel !== undefined && !/^[#@]?[a-z0-9_-]{1,80}$/i.test(channel))
    throw new AppError('CONFIG_INVALID', `notification ${step_id}: slack_channel: expected a name such as #alerts`)
  const url = await webhook(run.tenant_id, step_id, ref)
  const body = bodyOf(event, config, slackEscape)
  return {
    run,
    step_id,
    channel: 'slack',
    recipients: [channel ?? ref],
    subject: subjectOf(body),
    send: ({ possible_duplicate }, signal) =>
      slack.post(
        {
          url,
          text: possible_duplicate ? `${body}\n(this may have been sent before)` : body,
          ...(channel === undefined ? {} : { channel }),
        },
        signal,
      ),
  }
}

/** A field of the configuration as text: what was filled into it may have made it a number. */
const textOf = (value: unknown, otherwise: string): string => {
  if (value === undefined || value === null) return otherwise
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const bodyOf = (event: Ended, config: CompiledStep['config'], escape?: (value: string) => string): string => {
  const template = textOf(config['body_template'], '{pipeline_id} of {tenant_id}: {status} {error}')
  return fill(template, variablesOf(event), escape).slice(0, longestText)
}

/**
 * Who hears about it: mail and Slack at the end of a run. Wiring; nothing is opened before `notifier` is called.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Bus } from '@convergence/bus'
import type { Pipelines } from '@convergence/pipeline'
import type { Secrets } from '@convergence/secrets'
import type { Log } from '@convergence/service'
import type { Warehouse } from '@convergence/warehouse'
import type { Mail, Slack } from './channel.ts'
import { onRunCompleted } from './consumers/run-completed.ts'
import { onRunFailed } from './consumers/run-failed.ts'
import { openCredentials } from './credentials.ts'
import { openNotify } from './notify.ts'
import { openRecipients } from './recipients.ts'
import { openSlack } from './slack.ts'
import { openStore } from './store.ts'
import { openTenantMail } from './tenant-mail.ts'
import { openWebhooks } from './webhooks.ts'

export type { Mail, MailMessage, Outcome, Slack } from './channel.ts'
export { openSlack } from './slack.ts'
export { openSmtp } from './smtp.ts'

export interface NotifierDeps {
  bus: Bus
  warehouse: Warehouse
  pipelines: Pipelines
  /** Opens Slack webhooks; without it Slack notifications fail. */
  secrets?: Secrets | undefined
  /** Closed with the notifier. */
  mail: Mail
  /** Default: Slack itself. */
  slack?: Slack
  /** Sender of mails; default convergence@convergence.local. */
  from?: string
  /** Addresses and domains that every tenant's mails may go to, beside the tenant's own; default none. */
  allowed_recipients?: readonly string[]
  log: Log
  now(): Date
  random(): number
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}
export interface Notifier {
  close(): Promise<void>
}

export const notifier = async ({
  bus,
  warehouse,
  secrets,
  mail,
  slack = openSlack(),
  from = 'convergence@convergence.local',
  allowed_recipients = [],
  log,
  now,
  random,
  sleep = (ms, signal) => pause(ms, undefined, { signal }),
}: NotifierDeps): Promise<Notifier> => {
  const credential = openCredentials({ warehouse, secrets })
  const notify = openNotify({
    store: openStore({ warehouse, now }),
    mail,
    slack,
    webhook: openWebhooks(credential),
    tenantMail: openTenantMail({ credential }),
    recipients: openRecipients({ warehouse, allowed: allowed_recipients }),
    from,
    random,
    sleep,
    log,
  })
  bus.consume('notifier', 'run-completed', onRunCompleted({ notify }))
  bus.consume('notifier', 'run-failed', onRunFailed({ notify }))
  return { close: () => mail.close() }
}

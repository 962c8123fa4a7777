/** What was sent to whom: an intent before each try, and how it ended. Rows are only added. */
import { centralDataset } from '@convergence/contracts'
import type { Fault, Run } from '@convergence/contracts'
import type { Warehouse } from '@convergence/warehouse'

export interface Notification {
  run: Run
  step_id: string
  channel: 'email' | 'slack'
  recipients: readonly string[]
  subject: string
}
export interface Store {
  /** Whether it has ended, and how many intents there are. Sees everything that was acknowledged. */
  find(notification: Pick<Notification, 'run' | 'step_id' | 'channel'>): Promise<{ ended: boolean; intents: number }>
  /** `round` counts intents from 1. */
  record(
    notification: Notification,
    state: 'INTENT' | 'SENT' | 'FAILED',
    more: { round: number; attempts: number; possible_duplicate: boolean; error?: Fault },
  ): Promise<void>
}

const idOf = ({ run, step_id, channel }: Pick<Notification, 'run' | 'step_id' | 'channel'>): string =>
  `${run.run_id}-${step_id}-${channel}`

export const openStore = ({
  warehouse,
  now,
}: {
  warehouse: Pick<Warehouse, 'append' | 'query'>
  now: () => Date
}): Store => ({
  find: async (notification) => {
    const rows = await warehouse.query({
      query:
        'SELECT event_id, state FROM notifications_rows ' +
        'WHERE tenant_id = @tenant_id AND notification_id = @notification_id',
      default_dataset: centralDataset,
      parameters: [
        { name: 'tenant_id', type: 'STRING', value: notification.run.tenant_id },
        { name: 'notification_id', type: 'STRING', value: idOf(notification) },
      ],
    })
    const intents = new Set(rows.filter((row) => row['state'] === 'INTENT').map((row) => row['event_id']))
    return { ended: rows.some((row) => row['state'] !== 'INTENT'), intents: intents.size }
  },
  record: (notification, state, { round, attempts, possible_duplicate, error }) =>
    warehouse.append('notifications_rows', [
      {
        notification_id: idOf(notification),
        pipeline_logging_id: notification.run.run_id,
        tenant_id: notification.run.tenant_id,
        step_id: notification.step_id,
        channel: notification.channel,
        recipients: notification.recipients,
        subject: notification.subject,
        state,
        rank: state === 'INTENT' ? 1 : 2,
        possible_duplicate,
        attempts,
        error_code: error?.code ?? null,
        error_message: error?.message ?? null,
        event_id: `${idOf(notification)}-${state}-${round}`,
        recorded_at: now().toISOString(),
      },
    ]),
})

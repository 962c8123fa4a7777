/** Acknowledgements and deadlines, and what a client hears of each ack id. */
import { StatusError, withErrorInfo } from '@convergence/local-wire'
import * as grpc from '@grpc/grpc-js'
import type { BrokerSubscriptionConfig } from '../api.ts'
import type { FrontState } from './state.ts'

/**
 * What became of ack ids: `late` ones are of leases that are over, or of another subscription; `failed` ones could
 * not be written, and their messages come again.
 */
export interface Fates {
  done: string[]
  late: string[]
  failed: string[]
}

export const acknowledge = async (
  front: FrontState,
  subscription: string,
  ack_ids: readonly string[],
): Promise<Fates> => {
  const fates: Fates = { done: [], late: [], failed: [] }
  await Promise.all(
    ack_ids.map(async (ack_id) => {
      if (front.broker.leasedBy(ack_id) !== subscription) fates.late.push(ack_id)
      else
        await front.broker.ack(ack_id).then(
          () => fates.done.push(ack_id),
          () => fates.failed.push(ack_id),
        )
    }),
  )
  return fates
}

export const modify = (
  front: FrontState,
  subscription: string,
  ack_ids: readonly string[],
  secondsOf: (k: number) => number,
): Fates => {
  const fates: Fates = { done: [], late: [], failed: [] }
  for (const [k, ack_id] of ack_ids.entries()) {
    const own = front.broker.leasedBy(ack_id) === subscription
    fates[own ? 'done' : 'late'].push(ack_id)
    if (own) front.broker.modifyAckDeadline(ack_id, secondsOf(k))
  }
  return fates
}

/**
 * With exactly-once every ack id is answered; without, a late one is passed over in silence and a failed one
 * fails the request.
 */
export const reportFates = (config: BrokerSubscriptionConfig, { late, failed }: Fates): void => {
  const sentence =
    failed.length > 0
      ? `${failed.length} acknowledgements could not be written; their messages come again`
      : `${late.length} ack ids are of leases that are over; their messages come again`
  const code = failed.length > 0 ? grpc.status.UNAVAILABLE : grpc.status.FAILED_PRECONDITION
  if (config.enableExactlyOnceDelivery !== true) {
    if (failed.length > 0) throw new StatusError(code, sentence)
    return
  }
  if (late.length + failed.length === 0) return
  throw withErrorInfo(code, sentence, {
    reason: failed.length > 0 ? 'ACKS_NOT_WRITTEN' : 'INVALID_ACK_IDS',
    domain: 'pubsub.googleapis.com',
    metadata: Object.fromEntries<string>([
      ...late.map((ack_id) => [ack_id, 'PERMANENT_FAILURE_INVALID_ACK_ID'] as const),
      ...failed.map((ack_id) => [ack_id, 'TRANSIENT_FAILURE_SERVICE_UNAVAILABLE'] as const),
    ]),
  })
}

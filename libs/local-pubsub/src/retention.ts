/**
 * What is dropped because its time is over.
 */
import { freeKey } from './backlog.ts'
import { type BrokerState, type Entry, type Subscription, hiddenFor } from './state.ts'

export const expire = async (broker: BrokerState) => {
  const at = broker.now()
  const keptMs = ({ name, config }: Subscription): number =>
    (name === hiddenFor.topic(config.topic)
      ? broker.topicConfigs.get(config.topic)?.retentionMs
      : config.messageRetentionMs) ?? broker.retention_ms
  const { up_to, dropped } = await broker.store.expire(
    [...broker.subscriptions.values()].map((each) => ({ sub: each.id, before_ms: at - keptMs(each) })),
  )
  broker.expired += dropped
  if (dropped === 0) return
  const ends = new Map(up_to.map(({ sub, id }) => [sub, id]))
  for (const subscription of broker.subscriptions.values()) {
    const old = ({ message }: Entry) => message.id <= (ends.get(subscription.id) ?? 0)
    const ready = subscription.ready.slice(subscription.head)
    const tooOld = ready.filter(old)
    subscription.ready = ready.filter((entry) => !old(entry))
    subscription.head = 0
    subscription.held -= tooOld.length
    for (const entry of tooOld) freeKey(subscription, entry)
  }
}

export const expireHourly = (broker: BrokerState) => {
  expire(broker)
    .catch(() => undefined)
    .finally(() => {
      if (broker.closing === undefined)
        broker.agenda.add(broker.now() + 3_600_000, () => {
          expireHourly(broker)
        })
    })
}

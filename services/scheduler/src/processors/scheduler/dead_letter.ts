import type { Bus, Outgoing } from '@convergence/bus'
import { AppError, centralDataset, digestOf, runId, topics } from '@convergence/contracts'
import type { RunRequested, Topic } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import type { Row } from '@convergence/warehouse'
import { verifyRequest } from '../../consumers/run-requested.ts'
import type { ProcessorDeps } from '../deps.ts'

/**
 * Publishes a dead letter again or puts it away. Its row is written before the event is published, with the step: what
 * dies in between publishes with its next attempt. A run that a replay asks for is named by the dead letter, so two
 * replays are one run.
 */
export const deadLetter = (deps: ProcessorDeps): Processor => ({
  ps_type: 'scheduler.dead_letter',
  run: async ({ run, step }) => {
    const dead_letter_id = String(step.config['dead_letter_id'])
    const [row] = await deps.warehouse.query({
      query: 'SELECT * FROM dead_letters WHERE dead_letter_id = @dead_letter_id LIMIT 1',
      parameters: [{ name: 'dead_letter_id', type: 'STRING', value: dead_letter_id }],
      default_dataset: centralDataset,
    })
    if (row === undefined)
      throw new AppError('NOT_FOUND', `dead letter ${dead_letter_id}: there is none; GET /api/v1/admin/dead-letters`)
    const replays = step.config['action'] === 'replay'
    const event = replays ? await replayed(deps, row, dead_letter_id) : undefined
    const state = replays ? 'REPLAYED' : 'DISCARDED'
    if (row['state'] !== state) {
      const version = Number(row['version']) + 1
      const { attributes } = row
      await deps.warehouse.append('dead_letters_rows', [
        {
          ...row,
          attributes: typeof attributes === 'string' ? (JSON.parse(attributes) as unknown) : attributes,
          state,
          version,
          event_id: `${dead_letter_id}-${version}-${digestOf([run.run_id, step.step_id]).slice(0, 12)}`,
          recorded_at: run.requested_at,
        },
      ])
    }
    const run_id =
      event?.topic === 'run-requested' && event.event.action !== 'cancel'
        ? runId(event.event.tenant_id, event.idempotency_key ?? '')
        : undefined
    return {
      rows_written: row['state'] === state ? 0 : 1,
      outputs: { dead_letter_id, state, ...(run_id === undefined ? {} : { run_id }) },
      events: event === undefined ? [] : [event],
    }
  },
})

/** The event to publish. Throws EVENT_INVALID for what is none, BAD_SIGNATURE for a request that never verified. */
const replayed = async (deps: ProcessorDeps, row: Row, dead_letter_id: string): Promise<Outgoing> => {
  const { body } = row
  const data = Buffer.from(typeof body === 'string' ? body : '', 'base64')
  const topic = topics.find((name) => name === row['topic'])
  if (topic === undefined)
    throw new AppError('EVENT_INVALID', `dead letter ${dead_letter_id}: its topic is unknown; discard it`)
  const attributes = attributesOf(row['attributes'])
  const event = eventOf(deps, topic, { attributes, data, published_at: String(row['recorded_at']) }, dead_letter_id)
  if (topic !== 'run-requested') {
    // Said again as it was: by the service that signed it.
    const { kid, sig } = attributes
    return { topic, event, ...(kid === undefined || sig === undefined ? {} : { attributes: { kid, sig } }) } as Outgoing
  }
  const request = event as RunRequested
  const { kid, platform } = await verifyRequest(deps, request, {
    attributes,
    data,
    // Its age was checked when it was first consumed.
    published_at: attributes['ts'] ?? '',
  })
  // Its own run has ended, if it ever was one: what is asked for again is a new run.
  const { run_id: _, ...asked } = request
  return {
    topic,
    event: platform ? asked : { ...asked, trigger_type: 'publisher', trigger_by: kid },
    idempotency_key: `replay:${dead_letter_id}`,
    ...(deps.kid === undefined ? {} : { attributes: { kid: deps.kid } }),
  }
}

const eventOf = (
  { bus }: ProcessorDeps,
  topic: Topic,
  message: Parameters<Bus['read']>[1],
  dead_letter_id: string,
): unknown => {
  try {
    return bus.read(topic, message)
  } catch (error) {
    if (error instanceof AppError && error.code === 'EVENT_INVALID')
      throw new AppError(
        'EVENT_INVALID',
        `dead letter ${dead_letter_id} cannot be published again, its body is no event of ${topic}: ` +
          `${error.message}; discard it`,
      )
    throw error
  }
}

const attributesOf = (value: unknown): Readonly<Record<string, string>> => {
  const read: unknown = typeof value === 'string' ? JSON.parse(value) : value
  return typeof read === 'object' && read !== null ? (read as Record<string, string>) : {}
}

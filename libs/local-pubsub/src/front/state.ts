/** What the front's methods share, and how names travel. */
import { invalid, StatusError, unary, type FrontLog } from '@convergence/local-wire'
import * as grpc from '@grpc/grpc-js'
import type { Broker, BrokerSubscriptionConfig, Snapshot } from '../api.ts'

/** `config`: what the subscription says now; whoever changes it puts it here. */
export interface OpenStream {
  subscription: string
  config: BrokerSubscriptionConfig
  end(error: StatusError): void
}

export interface Page {
  pageSize?: number
  pageToken?: string
}

export const mostMessages = 1_000

const pageSize = 100

export interface FrontState {
  readonly broker: Broker
  readonly project_id: string
  readonly log: FrontLog
  /** Streams that are open. */
  readonly streams: Set<OpenStream>
}

export const nameIn = (front: FrontState, kind: 'topics' | 'subscriptions' | 'snapshots', path: string): string => {
  const [, project, name] = new RegExp(`^projects/([^/]+)/${kind}/([^/]+)$`).exec(path) ?? []
  if (project === undefined || name === undefined)
    throw invalid(`expected projects/{project}/${kind}/{name}, got ${JSON.stringify(path.slice(0, 300))}`)
  if (project !== front.project_id)
    throw new StatusError(
      grpc.status.NOT_FOUND,
      `project ${project}: this local cloud holds the project ${front.project_id} alone`,
    )
  return name
}

export const assertProject = (front: FrontState, path: string): void => {
  if (path !== `projects/${front.project_id}`)
    throw new StatusError(grpc.status.NOT_FOUND, `${path}: this local cloud holds projects/${front.project_id} alone`)
}

export const topicPath = (front: FrontState, name: string): string =>
  name === '_deleted-topic_' ? name : `projects/${front.project_id}/topics/${name}`

export const snapshotPath = (front: FrontState, name: string): string =>
  `projects/${front.project_id}/snapshots/${name}`

export const subscriptionPath = (front: FrontState, name: string): string =>
  `projects/${front.project_id}/subscriptions/${name}`

/** One page of names in order; the token is the last name of the page before. */
export const page = (
  names: readonly string[],
  { pageSize: size = 0, pageToken = '' }: Page,
): { names: string[]; nextPageToken: string } => {
  const rest = names.filter((name) => name > pageToken)
  const shown = rest.slice(0, size <= 0 ? pageSize : Math.min(size, mostMessages))
  return { names: shown, nextPageToken: shown.length < rest.length ? (shown.at(-1) ?? '') : '' }
}

export const subscriptionAt = async (
  front: FrontState,
  path: string,
): Promise<{ name: string; config: BrokerSubscriptionConfig }> => {
  const name = nameIn(front, 'subscriptions', path)
  const config = await front.broker.getSubscription(name)
  if (config === undefined) throw new StatusError(grpc.status.NOT_FOUND, `subscription ${name} does not exist`)
  return { name, config }
}

export const snapshotAt = (front: FrontState, path: string): Snapshot => {
  const name = nameIn(front, 'snapshots', path)
  const found = front.broker.getSnapshot(name)
  if (found === undefined) throw new StatusError(grpc.status.NOT_FOUND, `snapshot ${name} does not exist`)
  return found
}

export const refuseDetached = ({ name, config }: { name: string; config: BrokerSubscriptionConfig }) => {
  if (config.detached === true)
    throw new StatusError(
      grpc.status.FAILED_PRECONDITION,
      `subscription ${name} is detached from its topic: nothing comes any more`,
    )
}

export const assertTopic = (front: FrontState, path: string): string => {
  const name = nameIn(front, 'topics', path)
  if (!front.broker.listTopics().includes(name))
    throw new StatusError(grpc.status.NOT_FOUND, `topic ${name} does not exist; make it first`)
  return name
}

export const method = <Request, Answer>(
  front: FrontState,
  name: string,
  work: (request: Request, call: grpc.ServerUnaryCall<Request, Answer>) => Promise<Answer> | Answer,
) => ({ [name]: unary(front.log, name, work) })

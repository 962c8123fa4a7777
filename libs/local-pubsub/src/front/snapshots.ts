/** Of google.pubsub.v1.Subscriber: snapshots and seek. */
import { invalid } from '@convergence/local-wire'
import type * as grpc from '@grpc/grpc-js'
import { millisecondsOf, protoSnapshot, snakeCase, type Span } from './shapes.ts'
import {
  assertProject,
  method,
  nameIn,
  page,
  snapshotAt,
  snapshotPath,
  subscriptionAt,
  type FrontState,
  type Page,
} from './state.ts'

export const snapshotMethods = (front: FrontState): grpc.UntypedServiceImplementation => ({
  ...method(
    front,
    'CreateSnapshot',
    async ({
      name,
      subscription,
      labels = {},
    }: {
      name: string
      subscription: string
      labels?: Record<string, string>
    }) =>
      protoSnapshot(
        front,
        await front.broker.createSnapshot(
          nameIn(front, 'snapshots', name),
          (await subscriptionAt(front, subscription)).name,
          labels,
        ),
      ),
  ),
  ...method(front, 'GetSnapshot', ({ snapshot }: { snapshot: string }) =>
    protoSnapshot(front, snapshotAt(front, snapshot)),
  ),
  ...method(front, 'ListSnapshots', (request: Page & { project: string }) => {
    assertProject(front, request.project)
    const { names, nextPageToken } = page(
      front.broker.listSnapshots().map(({ name }) => name),
      request,
    )
    return {
      snapshots: names.map((name) => protoSnapshot(front, snapshotAt(front, snapshotPath(front, name)))),
      nextPageToken,
    }
  }),
  ...method(
    front,
    'UpdateSnapshot',
    async ({
      snapshot,
      updateMask,
    }: {
      snapshot?: { name?: string; labels?: Record<string, string>; expireTime?: Span | null } | null
      updateMask?: { paths?: string[] }
    }) => {
      const { name } = snapshotAt(front, snapshot?.name ?? '')
      const paths = (updateMask?.paths ?? []).map(snakeCase)
      if (paths.length === 0) throw invalid('update_mask: expected at least one path')
      for (const path of paths)
        if (path !== 'labels' && path !== 'expire_time')
          throw invalid(`update_mask: ${path} cannot be changed or is not known; expected labels or expire_time`)
      const expires_ms = millisecondsOf(snapshot?.expireTime)
      return protoSnapshot(
        front,
        await front.broker.updateSnapshot(name, {
          ...(paths.includes('labels') ? { labels: snapshot?.labels ?? {} } : {}),
          ...(paths.includes('expire_time') && expires_ms !== undefined ? { expires_ms } : {}),
        }),
      )
    },
  ),
  ...method(front, 'DeleteSnapshot', async ({ snapshot }: { snapshot: string }) => {
    await front.broker.deleteSnapshot(snapshotAt(front, snapshot).name)
    return {}
  }),
  ...method(
    front,
    'Seek',
    async ({ subscription, time, snapshot }: { subscription: string; time?: Span | null; snapshot?: string }) => {
      const { name } = await subscriptionAt(front, subscription)
      const time_ms = millisecondsOf(time)
      if (snapshot) await front.broker.seek(name, { snapshot: snapshotAt(front, snapshot).name })
      else if (time_ms !== undefined) await front.broker.seek(name, { time_ms })
      else throw invalid('target: expected a time or a snapshot')
      return {}
    },
  ),
})

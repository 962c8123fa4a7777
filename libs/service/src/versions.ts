/**
 * Tables of versions: rows are only added, the highest version of an id is its state. Version n of an id is commit n of
 * a chain of its own, so it has one writer on any number of replicas; whoever loses reads again and decides anew.
 */
import { AppError, centralDataset } from '@convergence/contracts'
import type { Row, Warehouse } from '@convergence/warehouse'

/** Part of a job id, which takes letters, digits, - and _ only; different ids stay different. */
const jobIdPart = (id: string): string =>
  id.replace(/[^A-Za-z0-9_]/g, (character) => `-${character.charCodeAt(0).toString(16)}`)

/**
 * Writes `rows`, of which one is version `version` of `id`, in one job; false when somebody else has written that
 * version. The job is named {table}-{epoch}-{id} and the version: job ids outlive a table, so a new life of the central
 * tables, which has another epoch, begins at version 1 again.
 */
export const writeVersion = async (
  warehouse: Pick<Warehouse, 'commit' | 'getDataset'>,
  table: string,
  { id, version, epoch }: { id: string; version: number; epoch?: string },
  rows: readonly Row[],
): Promise<boolean> => {
  const life = epoch ?? (await warehouse.getDataset(centralDataset))?.labels['epoch'] ?? 'e0'
  const log = { epoch: `${table}-${life}-${jobIdPart(id)}`, shard: 0, seq: version }
  return (await warehouse.commit(`${table}_rows`, log, rows)) === 'mine'
}

/** Each lost try means that somebody else has succeeded. */
const mostTries = 50

/**
 * Repeats `attempt`, which reads, decides and writes, until it answers; undefined means that another writer was first.
 */
export const decideAnew = async <T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> => {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const done = await attempt()
    if (done !== undefined) return done
  }
  throw new AppError('CONFLICT', `${what} is being changed by many at once; send the request again`)
}

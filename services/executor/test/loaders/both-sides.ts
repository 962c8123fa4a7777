/**
 * A warehouse that loads everything twice: by the embedded engine, and as the side of Google Cloud sends it, whose
 * rows go into a table of their own. Both give the same rows, or both refuse.
 */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AppError } from '@convergence/contracts'
import type { LoadSpec, Row, Warehouse } from '@convergence/warehouse'
import { rowsOfFiles } from '@convergence/warehouse/google-files'
import { expect } from 'chai'

const codeOf = (error: unknown): string => (error instanceof AppError ? error.code : String(error))
const faultOf = async (work: () => Promise<unknown>): Promise<unknown> => {
  try {
    await work()
    return undefined
  } catch (error) {
    return error
  }
}
/** A row as text, whatever the order of members in its JSON. */
export const canonical = (row: Row): string =>
  JSON.stringify(row, (_, value: unknown) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.getPrototypeOf(value) === Object.prototype
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )

export interface BothSides {
  warehouse: Warehouse
  /** What each load came to, in their order: a number of rows, or the message of each side. */
  loads: { rows?: number; refused?: { embedded: string; google: string } }[]
}
export const bothSides = (warehouse: Warehouse): BothSides => {
  const loads: BothSides['loads'] = []
  const twice = async (chain: Parameters<Warehouse['runJob']>[0], spec: LoadSpec) => {
    const texts: string[] = []
    const google = await faultOf(async () => {
      const { rows } = await rowsOfFiles(spec)
      for await (const piece of rows([])) texts.push(piece)
    })
    let result: Awaited<ReturnType<Warehouse['runJob']>> | undefined
    const embedded = await faultOf(async () => {
      result = await warehouse.runJob(chain, spec)
    })
    if (google !== undefined || embedded !== undefined || result === undefined) {
      const words = { embedded: String(embedded), google: String(google) }
      expect(codeOf(embedded), JSON.stringify(words)).to.equal(codeOf(google))
      loads.push({ refused: words })
      throw embedded
    }
    const path = join(dirname(spec.files[0]?.path ?? ''), 'google.ndjson')
    writeFileSync(path, texts.join(''))
    const table = `${spec.destination.table}_google`
    const columns = spec.columns?.map(({ name, type, mode }) => ({
      name,
      type,
      ...(mode === undefined ? {} : { mode }),
    }))
    const destination = { ...spec.destination, table, columns }
    const loaded = await faultOf(() =>
      warehouse.runJob(
        { ...chain, step_id: `${chain.step_id}_google` },
        { kind: 'load', format: 'ndjson', files: [{ path, name: 'google' }], destination },
      ),
    )
    expect(loaded, 'what Google is sent, it does not take').to.equal(undefined)
    const rowsOf = async (name: string) =>
      (await warehouse.query({ query: `SELECT * FROM ${name}`, default_dataset: spec.destination.dataset }))
        .map(canonical)
        .sort()
    expect(await rowsOf(spec.destination.table)).to.deep.equal(await rowsOf(table))
    loads.push({ rows: result.rows_written })
    return result
  }
  return {
    loads,
    warehouse: {
      ...warehouse,
      runJob: (chain, spec) => (spec.kind === 'load' ? twice(chain, spec) : warehouse.runJob(chain, spec)),
    },
  }
}

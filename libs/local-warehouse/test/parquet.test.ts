/** Parquet files, several at once and with what DuckDB alone reads otherwise, by jobs of the door and by the front. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import type { ColumnType } from '@convergence/contracts'
import { openWarehouse } from '@convergence/warehouse'
import type { LoadColumn, Warehouse } from '@convergence/warehouse'
import { openEngine } from '../src/engine.ts'
import { openBigQueryFront } from '../src/front.ts'

interface World {
  warehouse: Warehouse
  /** Writes the rows of a SELECT and says where. */
  write(name: string, select: string): Promise<string>
  /** Loads files of the folder into a new or known table by a job of the door; what it gave, or its fault. */
  load(files: readonly string[], columns: readonly LoadColumn[], table?: string): Promise<string>
  /** Loads files of the bucket by the front, appending; DONE or the fault. */
  loadByFront(table: string, ...files: readonly string[]): Promise<string>
  texts(table: string, column?: string): Promise<unknown[]>
  bucket: string
}
const setup = async (work: (world: World) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-parquet-'))
  const engine = await openEngine({ folder, project_id: 'local' })
  const bucket = join(folder, 'buckets/gcs/exports')
  const front = await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 })
  const warehouse = openWarehouse({ engine, random: () => 0 })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  let steps = 0
  mkdirSync(bucket, { recursive: true })
  try {
    await warehouse.ensureDataset('acme')
    await work({
      warehouse,
      bucket,
      write: async (name, select) => {
        const path = join(bucket, name)
        await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
        return path
      },
      load: (files, columns, table = 't') =>
        warehouse
          .runJob(
            { run_id: 'r', step_id: `s${(steps += 1)}`, max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' },
            {
              kind: 'load',
              format: 'parquet',
              files: files.map((name) => {
                const path = join(folder, 'scratch', name)
                copyFileSync(join(bucket, name), path)
                return { path, name }
              }),
              columns,
              destination: { project_id: 'local', dataset: 'acme', table, write_mode: 'append' },
            },
          )
          .then(
            () => 'DONE',
            (error: unknown) => (error as Error).message,
          ),
      loadByFront: async (table, ...files) => {
        const base = `http://127.0.0.1:${front.port}/bigquery/v2/projects/local/jobs`
        const jobId = `j${(steps += 1)}`
        const call = async (path: string, init?: RequestInit) =>
          (await fetch(`${base}${path}`, init)).json() as Promise<{
            status?: { state: string; errorResult?: { message: string } }
            error?: { message: string }
          }>
        let { status, error } = await call('', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            jobReference: { jobId },
            configuration: {
              load: {
                sourceUris: files.map((name) => `gs://exports/${name}`),
                sourceFormat: 'PARQUET',
                destinationTable: { projectId: 'local', datasetId: 'acme', tableId: table },
              },
            },
          }),
        })
        while (error === undefined && status?.state !== 'DONE') ({ status, error } = await call(`/${jobId}`))
        return error?.message ?? status?.errorResult?.message ?? 'DONE'
      },
      texts: async (table, column = 'c') =>
        (
          await warehouse.query({
            query: `SELECT CAST(${column} AS STRING) AS x FROM ${table} ORDER BY ${column}`,
            default_dataset: 'acme',
          })
        ).map(({ x }) => x),
    })
  } finally {
    connection.closeSync()
    instance.closeSync()
    await front.close()
    await engine.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
const from = (source: string, type: ColumnType): LoadColumn => ({ name: 'c', type, source })
/** One row, `c` DECIMAL(76,38) 0.5 as decimal256, written by pyarrow 26.0.1. */
const wideDecimal =
  'UEFSMRUAFUwVTCwVAhUAFQYVBhwAAAACAAAAAgEAAAAAAAAAAAAAAAAAAAAAJZ2mVC1DYj0ExREgAAAAABUEGSw1ABgGc2NoZW1hFQIAFQ4VQBUC' +
  'GAFjJQoVTBWYASxcFUwVmAEAAAAWAhkcGRwmABwVDhklBgAZGAFjFQAWAhZyFnImCEkcFQAVABUCADwpBhkmAAIAAAAWchYCJggWcgAoIHBhcnF1' +
  'ZXQtY3BwLWFycm93IHZlcnNpb24gMjYuMC4xGRwcAAAAjAAAAFBBUjE='
/** One row, c 1 and C 2, by the same. */
const twoCases =
  'UEFSMRUAFRwVHCwVAhUAFQYVBhwAAAACAAAAAgEBAAAAAAAAABUAFRwVHCwVAhUAFQYVBhwAAAACAAAAAgECAAAAAAAAABUEGTw1ABgGc2NoZW1h' +
  'FQQAFQQlAhgBYwAVBCUCGAFDABYCGRwZLCYAHBUEGSUGABkYAWMVABYCFkIWQiYISRwVABUAFQIAPCkGGSYAAgAAACYAHBUEGSUGABkYAUMVABYC' +
  'FkIWQiZKSRwVABUAFQIAPCkGGSYAAgAAABaEARYCJggWhAEAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRksHAAAHAAAALEAAABQ' +
  'QVIx'

describe('Parquet', function () {
  this.timeout(60_000)

  it('keeps each digit of several files whose decimals have different scales, in any order', () =>
    setup(async ({ write, load, loadByFront, texts }) => {
      await write('a.parquet', 'SELECT 12.5::DECIMAL(38,10) AS c')
      await write('b.parquet', 'SELECT 0.00011886691674590::DECIMAL(38,17) AS c')
      await write('c.parquet', 'SELECT 3.25::DECIMAL(6,2) AS c')
      const all = ['0.0001188669167459', '3.25', '12.5']
      expect(await loadByFront('one', 'a.parquet', 'b.parquet', 'c.parquet')).to.equal('DONE')
      expect(await texts('one')).to.deep.equal(all)
      expect(await loadByFront('other', 'c.parquet', 'b.parquet', 'a.parquet')).to.equal('DONE')
      expect(await texts('other')).to.deep.equal(all)
      expect(await load(['a.parquet', 'c.parquet', 'b.parquet'], [from('c', 'BIGNUMERIC')])).to.equal('DONE')
      expect(await texts('t')).to.deep.equal(all)
    }))

  it('takes NUMERIC and INT64 into a BIGNUMERIC column, and FLOAT64 and text not', () =>
    setup(async ({ warehouse, write, loadByFront, texts }) => {
      await warehouse.ensureTable({ dataset: 'acme', table: 't', columns: [{ name: 'c', type: 'BIGNUMERIC' }] })
      await write('narrow.parquet', 'SELECT 1.25::DECIMAL(6,2) AS c')
      await write('whole.parquet', 'SELECT 9007199254740993 AS c')
      await write('double.parquet', 'SELECT 0.5::DOUBLE AS c')
      await write('text.parquet', "SELECT '0.5' AS c")
      expect(await loadByFront('t', 'narrow.parquet', 'whole.parquet')).to.equal('DONE')
      expect(await texts('t')).to.deep.equal(['1.25', '9007199254740993'])
      expect(await loadByFront('t', 'double.parquet')).to.equal(
        'gs://exports/double.parquet, column c: expected BIGNUMERIC, got FLOAT64',
      )
      expect(await loadByFront('t', 'text.parquet')).to.equal(
        'gs://exports/text.parquet, column c: expected BIGNUMERIC, got STRING',
      )
    }))

  it('refuses by file, column and value what a type does not hold, and rounds nothing', () =>
    setup(async ({ warehouse, write, load, texts }) => {
      await write('fine.parquet', "SELECT CAST('0.00000000000000000001' AS DECIMAL(38,20)) AS c")
      await write('held.parquet', "SELECT CAST('0.50000000000000000000' AS DECIMAL(38,20)) AS c")
      await write('half.parquet', 'SELECT 1.5::DOUBLE AS c')
      await write('double.parquet', 'SELECT 0.1::DOUBLE AS c')
      await write('text.parquet', "SELECT 'x' AS c")
      await write('list.parquet', "SELECT [CAST('0.00000000000000000001' AS DECIMAL(38,20))] AS c")
      await write(
        'finest.parquet',
        "SELECT CAST('0.00000000000000000000000000000000000001' AS DECIMAL(38,38)) AS c UNION ALL SELECT NULL",
      )
      await write('large.parquet', 'SELECT 12345678901234567890123456789::DECIMAL(38,0) AS c')
      const exact = ['held.parquet', 'fine.parquet', 'finest.parquet', 'large.parquet', 'double.parquet']
      expect(await load(exact, [from('c', 'BIGNUMERIC')])).to.equal('DONE')
      expect(await texts('t')).to.deep.equal([
        null,
        `0.${'0'.repeat(37)}1`,
        '0.00000000000000000001',
        '0.1',
        '0.5',
        '12345678901234567890123456789',
      ])
      expect(await load(['half.parquet'], [from('c', 'INT64')], 'i')).to.equal(
        "half.parquet, column c: expected INT64, got '1.5'",
      )
      expect(await load(['text.parquet'], [from('c', 'DATE')], 'd')).to.equal(
        "text.parquet, column c: expected DATE, got 'x'",
      )
      expect(await load(['list.parquet'], [{ ...from('c', 'BIGNUMERIC'), mode: 'REPEATED' }], 'l')).to.equal('DONE')
      expect(await warehouse.query({ query: 'SELECT c FROM acme.l' })).to.deep.equal([
        { c: ['0.00000000000000000001'] },
      ])
    }))

  it('refuses NULL inside an array, by file and column', () =>
    setup(async ({ write, load }) => {
      await write('right.parquet', 'SELECT [1]::BIGINT[] AS c')
      await write('list.parquet', 'SELECT [1, NULL]::BIGINT[] AS c')
      const repeated = { ...from('c', 'INT64'), mode: 'REPEATED' as const }
      const words = 'list.parquet, column c: expected an array of INT64, got NULL in it'
      expect(await load(['right.parquet', 'list.parquet'], [repeated])).to.equal(words)
      await write('record.parquet', "SELECT [{'tags': ['a']}, {'tags': ['b', NULL]}] AS c")
      const fields = [{ name: 'tags', type: 'STRING' as const, mode: 'REPEATED' as const }]
      expect(await load(['record.parquet'], [{ ...from('c', 'STRUCT'), mode: 'REPEATED', fields }], 'r')).to.equal(
        'record.parquet, column c.tags: expected an array of STRING, got NULL in it',
      )
    }))

  it('fills NULL where one of several files lacks a column, and refuses one that all lack', () =>
    setup(async ({ write, load, texts }) => {
      await write('a.parquet', 'SELECT 1 AS c')
      await write('b.parquet', 'SELECT 2 AS other')
      expect(await load(['a.parquet', 'b.parquet'], [from('C', 'INT64')])).to.equal('DONE')
      expect(await texts('t')).to.deep.equal([null, '1'])
      expect(await load(['a.parquet', 'b.parquet'], [from('d', 'INT64')])).to.equal(
        'a.parquet, b.parquet: has no column d',
      )
      expect(await load(['a.parquet'], [{ ...from('d', 'INT64'), optional: true }])).to.equal('DONE')
    }))

  it('calls a decimal of more than 38 digits by its name, where DuckDB reads a DOUBLE', () =>
    setup(async ({ bucket, load, loadByFront }) => {
      writeFileSync(join(bucket, 'wide.parquet'), Buffer.from(wideDecimal, 'base64'))
      const words = /wide\.parquet, column c: DECIMAL\(76,38\) in Parquet is not supported by the local warehouse/
      expect(await load(['wide.parquet'], [from('c', 'BIGNUMERIC')])).to.match(words)
      expect(await loadByFront('wide', 'wide.parquet')).to.match(words)
    }))

  it('refuses two columns whose names differ by case alone', () =>
    setup(async ({ bucket, loadByFront }) => {
      writeFileSync(join(bucket, 'case.parquet'), Buffer.from(twoCases, 'base64'))
      expect(await loadByFront('t', 'case.parquet')).to.match(/case\.parquet: has two columns c/)
    }))
})

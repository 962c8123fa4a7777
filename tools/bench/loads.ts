/**
 * Loads of a Cost and Usage Report, as csv.gz and as Parquet: whole runs of the platform beside bare DuckDB reading the
 * same file into a table, turn by turn, each in a process of its own.
 */
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { writeBigCur } from '../samples/samples.ts'

export interface LoadFigure {
  name: string
  unit: string
  goal: string
  values: number[]
}
const folderOf = (bucket: string): string => join('buckets/s3', bucket, 'cur/daily/20251101-20251201')
const doubles =
  /^(?:lineItem\/(?:UsageAmount|UnblendedRate|UnblendedCost|BlendedRate|BlendedCost)|pricing\/publicOnDemand(?:Cost|Rate)|savingsPlan\/SavingsPlanEffectiveCost)$/

/** The report in the types that AWS gives Parquet: amounts are doubles, times are timestamps, the rest is text. */
const writeParquet = async (csv: string, parquet: string): Promise<void> => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`SET memory_limit='1GB'`)
  const from = `read_csv('${csv}', all_varchar=true, quote='"', escape='"')`
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${from}`)
  const columns = described.getRows().map(([name]) => String(name))
  const typeOf = (name: string): string => {
    if (doubles.test(name)) return 'DOUBLE'
    return name.endsWith('Date') ? 'TIMESTAMP' : 'VARCHAR'
  }
  const selected = columns.map((name) => `"${name}"::${typeOf(name)} AS "${name}"`)
  await connection.run(
    `COPY (SELECT ${selected.join(', ')} FROM ${from}) TO '${parquet}' (FORMAT parquet, COMPRESSION snappy)`,
  )
  connection.closeSync()
  instance.closeSync()
}

const script = (name: string, ...words: string[]): string =>
  execFileSync(process.execPath, ['--import', './tools/compile-cache.mjs', join(import.meta.dirname, name), ...words], {
    cwd: join(import.meta.dirname, '../..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })

interface Taken {
  seconds: number
  cpu_seconds: number
}
/** One turn: the platform with a new data folder, then bare DuckDB with a new database. */
const turn = (home: string, name: string, rows: number) => {
  const [data, bare] = [mkdtempSync(join(home, 'data-')), join(home, 'bare.duckdb')]
  try {
    const folder = join(data, folderOf('bench-cur'))
    mkdirSync(folder, { recursive: true })
    linkSync(join(home, name), join(folder, name))
    const key = `cur/daily/20251101-20251201/${name}`
    const contentType = name.endsWith('.parquet') ? 'Parquet' : 'text/csv'
    writeFileSync(
      join(folder, 'daily-Manifest.json'),
      JSON.stringify({ assemblyId: 'a', contentType, reportKeys: [key] }),
    )
    const own = JSON.parse(script('platform-load.ts', data, 'bench-cur')) as Taken & {
      before_mb: number
      peak_mb: number
    }
    const alone = JSON.parse(script('bare-duckdb.ts', join(home, name), bare)) as Taken
    return {
      own: rows / own.seconds,
      bare: rows / alone.seconds,
      own_cpu: own.cpu_seconds,
      bare_cpu: alone.cpu_seconds,
      before_mb: own.before_mb,
      peak_mb: own.peak_mb,
    }
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

export const measureLoads = async (rows: number, rounds: number): Promise<LoadFigure[]> => {
  const home = mkdtempSync(join(tmpdir(), 'convergence-bench-'))
  try {
    const report = { rows, seed: 5, report_name: 'daily', bucket: 'bench-cur', prefix: 'cur', month: '2025-11' }
    await writeBigCur({ folder: home, ...report })
    await writeParquet(join(home, 'daily-1.csv.gz'), join(home, 'daily-1.parquet'))
    const figures: LoadFigure[] = []
    for (const [form, name, goal] of [
      ['Parquet', 'daily-1.parquet', '>= 0.9'],
      ['csv.gz', 'daily-1.csv.gz', '>= 1.5'],
    ] as const) {
      const turns = Array.from({ length: rounds }, () => turn(home, name, rows))
      const figure = (what: string, unit: string, of: string, values: number[]) => {
        figures.push({ name: `loads: ${form}, ${what}`, unit, goal: of, values })
      }
      figure(
        `${rows} rows, whole run`,
        'rows/s',
        '-',
        turns.map(({ own }) => own),
      )
      figure(
        'bare DuckDB',
        'rows/s',
        '-',
        turns.map(({ bare }) => bare),
      )
      figure(
        'whole run over bare DuckDB',
        'x',
        goal,
        turns.map(({ own, bare }) => own / bare),
      )
      figure(
        'CPU of the whole run, all threads',
        'CPU s',
        '-',
        turns.map(({ own_cpu }) => own_cpu),
      )
      figure(
        'CPU of bare DuckDB',
        'CPU s',
        '-',
        turns.map(({ bare_cpu }) => bare_cpu),
      )
      figure(
        'bare DuckDB over whole run, by CPU',
        'x',
        '-',
        turns.map(({ own_cpu, bare_cpu }) => bare_cpu / own_cpu),
      )
      figure(
        'peak memory of the process',
        'MB',
        '<= 1024',
        turns.map(({ peak_mb }) => peak_mb),
      )
      figure(
        'of it before the load',
        'MB',
        '-',
        turns.map(({ before_mb }) => before_mb),
      )
    }
    return figures
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/**
 * What the tests of normalisation share: provider tables with rows of our own, and the pipelines of configs/focus run on
 * them by the real engine.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Column } from '@convergence/contracts'
import { loadPipelines } from '@convergence/pipeline'
import type { Processor } from '@convergence/service/steps'
import { allocation } from '../../src/processors/focus/allocation.ts'
import { bqEtl } from '../../src/processors/gcp/bq_etl.ts'
import { bqView } from '../../src/processors/gcp/bq_view.ts'
import { bootstrap } from '../../src/processors/setup/initial.ts'
import { openStore } from '../../src/store.ts'
import { contextOf, shared_sources } from '../fakes.ts'
import { rawColumn, setup, type World } from '../loaders/world.ts'

const templates = join(import.meta.dirname, '../../../../ps_templates')
/** The columns of a table, whichever template has them. */
const columnsOf = (name: string): Column[] => {
  const table = name === 'azure_cost_amortized' ? 'azure_cost_exports' : name
  const path = readdirSync(templates, { recursive: true, encoding: 'utf8' }).find((each) =>
    each.endsWith(`/schemas/${table}.json`),
  )
  return JSON.parse(readFileSync(join(templates, String(path)), 'utf8')) as Column[]
}

export type Row = Record<string, unknown>
export interface FocusWorld extends World {
  /** Replaces all rows of a provider's table. */
  fill(table: string, rows: readonly Row[]): Promise<void>
  /**
   * Runs focus/cost/{provider} for a month, or months; its rows alone, or with the other datasets, or with all, views
   * too; or only one of its steps. `primary`: sources that say so. `corrections`: views too, and what
   * changed of a closed month is told. Gives the warnings of its steps,
   * but for those of the rules of FOCUS, which rows of a few columns break.
   */
  normalise(
    provider: string,
    month: string,
    options?: {
      datasets?: boolean
      views?: boolean
      only?: string
      primary?: readonly string[]
      corrections?: boolean
    },
  ): Promise<string[]>
  rows(query: string): Promise<Row[]>
  /** Rows and sums by what they are. */
  groups(): Promise<Row[]>
}
/** What of a group the examples of the specification tell. */
export const group = (
  category: string,
  status: string | null,
  n: number,
  billed: string,
  effective: string,
  list: string | null,
): Row => ({ category, status, n, billed, effective, list })

export const hours = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, k) => from + k)
/** An hour of February 2026. */
export const hour = (k: number): string => new Date(Date.UTC(2026, 1, 1, k)).toISOString().replace('.000Z', 'Z')

const rowSteps = ['native', 'focus']
const datasetSteps = ['invoice_detail', 'commitment_terms', 'contract_commitment']
const pipelines = loadPipelines({ project_id: 'local-convergence', shared_sources })

export const openFocus = async (): Promise<FocusWorld> => {
  const world = await setup()
  const { warehouse, folder } = world
  await bootstrap(warehouse, {})
  let count = 0
  const next = (): string => {
    count += 1
    return `r_f${String(count).padStart(25, '0')}`
  }
  const store = openStore({ warehouse, now: () => new Date('2026-01-02T00:00:00Z') })
  const processors: Readonly<Record<string, Processor>> = {
    'focus.allocation': allocation({ warehouse, store, shared_sources }),
    'gcp.bq_etl': bqEtl({ warehouse, store, shared_sources }),
    'gcp.bq_view': bqView({ warehouse }),
  }
  return {
    ...world,
    fill: async (table, rows) => {
      mkdirSync(join(folder, 'scratch'), { recursive: true })
      const path = join(folder, 'scratch', `rows-${next()}.ndjson`)
      writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      await warehouse.runJob(
        { run_id: next(), step_id: 'fill', max_retries: 0, retry_delay_seconds: 1, tenant_id: 'acme' },
        {
          kind: 'load',
          format: 'ndjson',
          files: [{ path, name: table }],
          destination: {
            project_id: 'local-convergence',
            dataset: 'acme',
            table,
            write_mode: 'truncate',
            columns: columnsOf(table),
          },
        },
      )
    },
    normalise: async (
      provider,
      month,
      { datasets = false, views = false, only, primary = [], corrections = false } = {},
    ) => {
      const run = pipelines.compile({
        run_id: next(),
        tenant_id: 'acme',
        pipeline: `focus/cost/${provider}`,
        trigger_type: 'api',
        requested_at: '2026-01-01T23:59:59Z',
        parameters: { month },
        tenant: { admin_email: 'admin@acme.example', company_name: 'Acme' },
        tenant_sources: primary.map((name) => ({
          ...{ name, provider: 'any', kind: 'focus', store: 's3', bucket: 'acme-focus', prefix: name, primary: true },
        })),
      })
      const names = only === undefined ? [...rowSteps, ...(datasets ? datasetSteps : [])] : [only]
      const isWanted = (step: string): boolean =>
        names.includes(step) || corrections || (views && step !== 'corrections')
      const wanted = run.steps.filter(({ for_each }) => isWanted(for_each ?? ''))
      const warnings: string[] = []
      for (const step of wanted) {
        const done = await processors[step.ps_type]?.run(contextOf(run, step))
        const told = done?.outputs?.['warnings']
        if (Array.isArray(told)) warnings.push(...told.map(String))
      }
      return warnings.filter((words) => !words.startsWith('check focus_rules: '))
    },
    groups: () =>
      warehouse.query({
        query: `SELECT ChargeCategory AS category, CommitmentDiscountStatus AS status, COUNT(*) AS n,
                       CAST(SUM(BilledCost) AS STRING) AS billed, CAST(SUM(EffectiveCost) AS STRING) AS effective,
                       CAST(SUM(ListCost) AS STRING) AS list
                FROM focus_cost_and_usage GROUP BY 1, 2 ORDER BY 1, 2`,
        default_dataset: 'acme',
      }),
    rows: (query) => warehouse.query({ query, default_dataset: 'acme' }),
  }
}

type Normalise = Parameters<FocusWorld['normalise']>[2]
/** A whole Cost and Usage Report, through the loader, as FOCUS. */
export const loadReport = async (world: FocusWorld, text: string, options?: Normalise): Promise<void> => {
  const month = rawColumn(text, 'bill/BillingPeriodStartDate')[0]?.slice(0, 7) ?? ''
  const [year = '', number = ''] = month.split('-')
  const next = new Date(Date.UTC(Number(year), Number(number))).toISOString().slice(0, 10).replaceAll('-', '')
  const folder = `cur/daily/${year}${number}01-${next}`
  world.put('s3', 'acme-cur', `${folder}/daily-1.csv`, text)
  const billingPeriod = { start: `${year}${number}01T000000.000Z`, end: `${next}T000000.000Z` }
  const manifest = { assemblyId: 'a', reportName: 'daily', compression: 'NONE', billingPeriod }
  const reportKeys = [`${folder}/daily-1.csv`]
  world.put('s3', 'acme-cur', `${folder}/daily-Manifest.json`, JSON.stringify({ ...manifest, reportKeys }))
  await world.load('aws', { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'daily', month })
  await world.normalise('aws', month, options)
}
/** A whole export of Azure, of September 2023. */
export const loadEnrollment = async (world: FocusWorld, text: string, options?: Normalise): Promise<void> => {
  world.put('azure', 'exports', 'cost/daily/20230901-20230930/daily.csv', text)
  await world.load('azure', { container: 'exports', prefix: 'cost', export_name: 'daily', month: '2023-09' })
  await world.normalise('azure', '2023-09', options)
}

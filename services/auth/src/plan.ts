/** What a run would read and write. Nothing is run. */
import { AppError, type CompiledStep, type Run } from '@convergence/contracts'
import { readsOf } from '@convergence/pipeline'
import { completeQuery, type ExportQuery } from '@convergence/service/export-table'
import { sourceTables } from '@convergence/service/sources'
import type { QueryParameter, Statement } from '@convergence/warehouse'
import type { RouteContext } from './context.ts'

interface Destination {
  bq_project_id?: string
  dataset_type?: string
  table?: string
  write_mode?: string
  period?: Record<string, unknown>
}
interface Source extends Partial<ExportQuery> {
  parameters?: QueryParameter[]
  s3_bucket?: string
  s3_prefix?: string
  container?: string
  store?: string
  bucket?: string
  prefix?: string
}

export const planOf = async (parts: RouteContext, run: Run) => {
  const steps = await Promise.all(run.steps.map((step) => planStep(parts, run, step)))
  return {
    tenant_id: run.tenant_id,
    pipeline_id: run.pipeline_id,
    parameters: run.parameters,
    dry_run: true,
    ok: steps.every(({ problems }) => problems.length === 0),
    bytes_processed: steps.reduce((sum, { bytes_processed }) => sum + (bytes_processed ?? 0), 0),
    steps,
    /** What is run when this run has completed. */
    followed_by: parts.deps.pipelines.followersOf(run).map(({ pipeline, parameters }) => ({ pipeline, parameters })),
  }
}
/** Where files are read from. */
const objectsOf = (source: Source | undefined): string[] => {
  if (source?.s3_bucket !== undefined) return [`s3://${source.s3_bucket}/${source.s3_prefix ?? ''}`]
  if (source?.bucket !== undefined) return [`${source.store ?? ''}://${source.bucket}/${source.prefix ?? ''}`]
  if (source?.container !== undefined) return [`azure://${source.container}/${source.prefix ?? ''}`]
  return []
}

const planStep = async (
  { deps }: RouteContext,
  run: Run,
  { step_id, name, ps_type, config, when, trigger }: CompiledStep,
) => {
  const destination = config['destination'] as Destination | undefined
  const source = config['source'] as Source | undefined
  const writes =
    destination?.table === undefined
      ? []
      : [
          {
            table: [
              destination.bq_project_id ?? deps.warehouse.project_id,
              destination.dataset_type,
              destination.table,
            ].join('.'),
            write_mode: destination.write_mode ?? 'append',
            period: destination.period ?? null,
          },
        ]
  const plan = {
    step_id,
    name,
    ps_type,
    /** What it depends on whether it runs. */
    when: when ?? null,
    trigger: trigger ?? 'on_success',
    reads: objectsOf(source),
    writes,
    statement: source?.query ?? null,
    bytes_processed: null as number | null,
    problems: [] as string[],
  }
  if (source?.query === undefined) return plan
  try {
    const { shared_sources } = deps
    const readable = { shared_sources, source_tables: await sourceTables(deps.warehouse, run) }
    const readsIn = (statement: Statement) => readsOf(deps.warehouse, run, run.tenant_id, readable, statement)
    const { query } = await completeQuery(`step ${step_id}`, { ...source, query: source.query }, (statement) =>
      readsIn({ default_dataset: run.tenant_id, ...statement }),
    )
    const dry = await readsIn({ query, parameters: source.parameters ?? [], default_dataset: run.tenant_id })
    plan.reads = dry.referenced_tables.map(({ project_id, dataset, table }) => `${project_id}.${dataset}.${table}`)
    plan.bytes_processed = dry.bytes_processed
    if (dry.statement_type !== 'SELECT') plan.problems.push(`expected one SELECT statement, got ${dry.statement_type}`)
    for (const reads of dry.foreign)
      plan.problems.push(`SOURCE_NOT_DECLARED: ${reads}, which is neither the tenant's nor a declared source`)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    plan.problems.push(`${error.code}: ${error.message}`)
  }
  return plan
}

import {
  AppError,
  centralDataset,
  digestOf,
  isSystemPipeline,
  runId,
  subscriptionFault,
  systemTenant,
} from '@convergence/contracts'
import type { Outgoing } from '@convergence/bus'
import type { ParameterSpec, Pipelines } from '@convergence/pipeline'
import { readAllSources } from '@convergence/service/sources'
import type { Processor } from '@convergence/service/steps'
import type { ProcessorDeps } from '../deps.ts'

/** A loaded period of which the provider has another version by now. */
export interface Changed {
  tenant_id: string
  source: string
  pipeline: string
  /** YYYY-MM or YYYY-MM-DD */
  period: string
  seen_version: string
}
/** After what people and schedules ask for. */
const priority = 7
/** Of a run: each is a step. */
const mostPeriods = 100
/** Of a range that is replaced at once. */
const mostDays = 31

/**
 * Asks for a run of each source whose loaded periods the provider has changed, with exactly these periods, the oldest
 * first. The name of a run is made of what has changed and the day: what failed is asked for again the next day, and a
 * repeat asks for the same.
 */
export const requestChanged = ({ warehouse, pipelines, ledger, kid }: ProcessorDeps): Processor => ({
  ps_type: 'scheduler.request_changed',
  run: async ({ run }) => {
    const only = run.tenant_id === systemTenant ? undefined : run.tenant_id
    const changed = (await warehouse.query({
      query:
        'SELECT tenant_id, source, pipeline, period, seen_version FROM tenant_load_state WHERE changed' +
        (only === undefined ? '' : ' AND tenant_id = @tenant_id'),
      ...(only === undefined ? {} : { parameters: [{ name: 'tenant_id', type: 'STRING', value: only }] }),
      default_dataset: centralDataset,
    })) as unknown as Changed[]
    const owned = changed.length === 0 ? [] : await readAllSources(warehouse, only)
    const sources = Map.groupBy(owned, ({ tenant_id }) => tenant_id)
    const day = run.requested_at.slice(0, 10)
    const mayRun = ({ tenant_id, source, pipeline }: Changed): boolean => {
      const owner = ledger.state.accounts.get(tenant_id)
      return (
        sources.get(tenant_id)?.some((each) => each.source.name === source) === true &&
        !isSystemPipeline(pipeline) &&
        owner !== undefined &&
        subscriptionFault(owner, day) === undefined
      )
    }
    const { events: asked, unknown } = requestsFor(pipelines, changed.filter(mayRun), day, kid)
    const refused: string[] = []
    /** A source may have become of another kind since, which its pipeline does not load. */
    const compiles = (outgoing: Outgoing): boolean => {
      if (outgoing.topic !== 'run-requested') return false
      const { run_id = '', tenant_id, pipeline = '', parameters = {} } = outgoing.event
      const tenant_sources = sources.get(tenant_id)?.map(({ source }) => source)
      const request = { run_id, tenant_id, pipeline, parameters, requested_at: run.requested_at, tenant_sources }
      try {
        pipelines.compile({ ...request, trigger_type: 'refresh' })
        return true
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        refused.push(
          `tenant ${tenant_id}, source ${String(parameters['source'])}: ${pipeline} does not load it any more`,
        )
        return false
      }
    }
    const events = asked.filter(compiles)
    const warnings = [
      ...unknown.map((pipeline) => `${pipeline}: loads no days or months any more; load its periods by hand`),
      ...refused,
    ]
    return {
      events,
      outputs: {
        periods_changed: changed.length,
        runs: events.map(({ event }) => ('run_id' in event ? event.run_id : undefined)),
        ...(warnings.length === 0 ? {} : { warnings }),
      },
    }
  },
})

/** `unknown`: pipelines that take no period. Pure. */
export const requestsFor = (
  pipelines: Pick<Pipelines, 'get'>,
  changed: readonly Changed[],
  day: string,
  kid: string | undefined,
): { events: Outgoing[]; unknown: string[] } => {
  const unknown = new Set<string>()
  const bySource = Map.groupBy(changed, ({ tenant_id, source, pipeline }) => `${tenant_id} ${source} ${pipeline}`)
  const events = [...bySource.values()].flatMap((periods): Outgoing[] => {
    const [first] = periods
    if (first === undefined) return []
    const { tenant_id, source, pipeline } = first
    const parameter = periodParameter(pipelines.get(pipeline)?.parameters ?? [], first.period)
    if (parameter === undefined) {
      unknown.add(pipeline)
      return []
    }
    return runsOf(
      parameter,
      periods.toSorted((a, b) => (a.period < b.period ? -1 : 1)),
    ).map((some): Outgoing => {
      const versions = some.periods.map(({ period, seen_version }) => [period, seen_version])
      const idempotency_key = `refresh:${source}:${day}:${digestOf([pipeline, versions]).slice(0, 24)}`
      return {
        topic: 'run-requested',
        event: {
          run_id: runId(tenant_id, idempotency_key),
          tenant_id,
          pipeline,
          parameters: { source, [parameter.name]: some.value },
          trigger_type: 'refresh',
          trigger_by: 'setup/sources/refresh',
          priority,
        },
        idempotency_key,
        ...(kid === undefined ? {} : { attributes: { kid } }),
      }
    })
  })
  return { events, unknown: [...unknown].sort() }
}

/** The parameter that takes such a period. */
const periodParameter = (parameters: readonly ParameterSpec[], period: string): ParameterSpec | undefined => {
  const isMonth = period.length === 'YYYY-MM'.length
  return parameters.find(({ name, type }) => (isMonth ? type === 'month' || name === 'month' : type === 'date'))
}

interface Part {
  value: string
  periods: readonly Changed[]
}
/** As few runs as the parameter allows. */
const runsOf = ({ many }: ParameterSpec, periods: readonly Changed[]): Part[] => {
  if (many === undefined) return periods.map((each) => ({ value: each.period, periods: [each] }))
  const parts = many === 'ranges' ? rangesOf(periods) : periods.map((each) => ({ value: each.period, periods: [each] }))
  return Array.from({ length: Math.ceil(parts.length / mostPeriods) }, (_, k) => {
    const some = parts.slice(k * mostPeriods, (k + 1) * mostPeriods)
    return { value: some.map(({ value }) => value).join(','), periods: some.flatMap((part) => part.periods) }
  })
}
/** Days that follow each other are one range. */
const rangesOf = (days: readonly Changed[]): Part[] => {
  const ranges: Changed[][] = []
  for (const each of days) {
    const range = ranges.at(-1)
    const last = range?.at(-1)
    const isNext = last !== undefined && Date.parse(each.period) - Date.parse(last.period) === 86_400_000
    if (range !== undefined && isNext && range.length < mostDays) range.push(each)
    else ranges.push([each])
  }
  return ranges.map((range) => {
    const [from = '', to = from] = [range[0]?.period, range.at(-1)?.period]
    return { value: from === to ? from : `${from}..${to}`, periods: range }
  })
}

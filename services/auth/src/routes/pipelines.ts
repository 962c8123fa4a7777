import { AppError, isSystemPipeline } from '@convergence/contracts'
import type { ParameterSpec, Pipeline } from '@convergence/pipeline'
import { object, type Field } from '../fields.ts'
import type { RouteContext } from '../context.ts'
import type { Route } from '../route.ts'

/** A pipeline's parameters as JSON Schema. */
export const parameterSchema = (parameters: readonly ParameterSpec[]): Field =>
  object(
    Object.fromEntries(parameters.map((parameter) => [parameter.name, fieldOf(parameter)])),
    parameters.filter(({ required }) => required).map(({ name }) => name),
  )

const typeOf = ({ type }: ParameterSpec): 'integer' | 'boolean' | 'string' => {
  if (type === 'int') return 'integer'
  return type === 'boolean' ? 'boolean' : 'string'
}
const fieldOf = (parameter: ParameterSpec): Field => ({
  type: typeOf(parameter),
  description: parameter.description,
  ...(parameter.type === 'date' && parameter.many === undefined ? { format: 'date' } : {}),
  ...(parameter.values === undefined ? {} : { enum: parameter.values }),
  ...(parameter.pattern === undefined ? {} : { pattern: `^(?:${parameter.pattern})$` }),
  ...(parameter.max_length === undefined ? {} : { maxLength: parameter.max_length }),
  ...(parameter.default === undefined ? {} : { default: parameter.default }),
})

const entry = ({ deps }: Pick<RouteContext, 'deps'>, pipeline: Pipeline) => ({
  pipeline: pipeline.path,
  pipeline_id: pipeline.pipeline_id,
  description: pipeline.description,
  schedule: pipeline.schedule ?? null,
  steps: pipeline.steps.map(({ step_id, name, ps_type }) => ({ step_id, name, ps_type })),
  parameters: parameterSchema(pipeline.parameters),
  after: pipeline.after ?? [],
  followed_by: deps.pipelines
    .list()
    .flatMap(({ path, after }) => (after?.includes(pipeline.path) === true ? [path] : [])),
})

/** Under setup/, and yet a tenant's to run: they work on what is its own, as its own run, within its plan. */
const openSetupPipelines: ReadonlySet<string> = new Set(['setup/tenants/dryrun_validation', 'setup/sources/refresh'])

/** The platform's own pipelines are not offered and not found. */
const isOffered = (path: string): boolean => !isSystemPipeline(path) || openSetupPipelines.has(path)

export const offered = (parts: Pick<RouteContext, 'deps'>, path: string): Pipeline => {
  const pipeline = isOffered(path) ? parts.deps.pipelines.get(path) : undefined
  if (pipeline === undefined)
    throw new AppError('PIPELINE_UNKNOWN', `no pipeline ${path}; list them: GET /api/v1/pipelines`)
  return pipeline
}
export const pipelinePath = (params: Readonly<Record<string, string>>): string =>
  [params['provider'], params['domain'], params['template']].join('/')

export const pipelines = (parts: RouteContext): Route[] => {
  const common = { method: 'GET', scope: 'pipelines:read', tenant: 'own', rate: 'read', answers: [200] } as const
  return [
    {
      ...common,
      path: '/api/v1/pipelines',
      summary: 'All pipelines that can be run',
      handle: () => ({
        status: 200,
        body: {
          items: parts.deps.pipelines
            .list()
            .filter(({ path }) => isOffered(path))
            .map((pipeline) => entry(parts, pipeline)),
          next_cursor: null,
        },
      }),
    },
    {
      ...common,
      path: '/api/v1/pipelines/:provider/:domain/:template',
      summary: 'A pipeline and the schema of its parameters',
      handle: ({ params }) => ({ status: 200, body: entry(parts, offered(parts, pipelinePath(params))) }),
    },
  ]
}

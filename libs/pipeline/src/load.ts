/**
 * Reads configs/ and ps_templates/ once, checks everything, and gives pipelines that compile without I/O. All faults of
 * all files at once, each with its place in the file. Nothing that a request says is ever joined into a path: names are
 * looked up in the map made here.
 */
import { readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { AppError, isName, isSystemPipeline, type Run } from '@convergence/contracts'
import { checkAfter, followersOf } from './after.ts'
import { checkPipeline } from './check-pipeline.ts'
import { planCompiler, planDays } from './compile.ts'
import { configsFolder, filesBelow, templatesFolder } from './folders.ts'
import { usesSources } from './for-each.ts'
import type { QueryFile } from './pipeline-check.ts'
import type { JudgeSql } from './pipeline-check.ts'
import type { PipelinePlan } from './plan.ts'
import { defaultSharedSources, sharedSourcesOf } from './reach.ts'
import { loadSchemas, loadTemplates, type Schemas, type Template } from './templates.ts'
import type { CompileInput, ConfigFault, Pipeline, Pipelines } from './types.ts'
import { didYouMean, show } from './wording.ts'
import { readYaml, type Source } from './yaml.ts'

export interface LoadOptions {
  project_id: string
  /** Datasets that the operator shares, as project.dataset; default: those of the setting's default. */
  shared_sources?: readonly string[]
  /** Default: the package @convergence/configs. */
  configs_folder?: string
  /** Default: the package @convergence/ps_templates. */
  templates_folder?: string
  /** Judges the SQL; without it the warehouse does, at a dry run or a run. */
  outline?: JudgeSql
}
export interface Checked {
  faults: ConfigFault[]
  /** Pipelines that were read. */ checked: number
  plans: Map<string, PipelinePlan>
  templates: Map<string, Template>
}

interface Kinds {
  schemas: Schemas
  templates: Map<string, Template>
  faults: readonly ConfigFault[]
}
let installed: Kinds | undefined
/** The kinds of steps in the folder. Those of the package do not change while a process lives: they are read once. */
const kindsOfSteps = (folder: string): Kinds => {
  if (installed !== undefined && folder === templatesFolder()) return installed
  const faults: ConfigFault[] = []
  const schemas = loadSchemas()
  const kinds = { schemas, templates: loadTemplates(folder, schemas, faults), faults }
  if (folder === templatesFolder()) installed = kinds
  return kinds
}

/**
 * Checks pipelines (all below configs/, or the files named) and all templates. Faults are in the order of files and
 * lines.
 */
export const checkFiles = (options: Partial<LoadOptions> & { files?: readonly string[] }): Checked => {
  const { project_id = 'local-convergence' } = options
  const shared_sources = options.shared_sources ?? sharedSourcesOf(defaultSharedSources, project_id)
  const configs = options.configs_folder ?? configsFolder()
  const faults: ConfigFault[] = []
  const { schemas, templates, faults: ofTemplates } = kindsOfSteps(options.templates_folder ?? templatesFolder())
  faults.push(...ofTemplates)
  const plans = new Map<string, PipelinePlan>()
  const read = new Map<string, { plan: PipelinePlan; source: Source }>()
  const ids = new Map<string, Omit<ConfigFault, 'message'>[]>()
  const isPipeline = (name: string): boolean => name.endsWith('.yml') || name.endsWith('.yaml')
  const files = options.files ?? filesBelow(configs, isPipeline)
  const nameOf = (path: string): string | undefined => {
    const inside = relative(configs, path).split(sep).join('/')
    return inside.startsWith('../') ? undefined : inside.replace(/\.ya?ml$/, '')
  }
  for (const path of files) {
    const file = relative(process.cwd(), path)
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (error) {
      const code = String((error as NodeJS.ErrnoException).code)
      faults.push({ file, line: 1, column: 1, message: `cannot be read: ${readProblems[code] ?? code}` })
      continue
    }
    const source = readYaml(file, text)
    if (Array.isArray(source)) {
      faults.push(...source)
      continue
    }
    const name = nameOf(path)
    if (name !== undefined && !isName('pipeline', name))
      faults.push({
        file,
        line: 1,
        column: 1,
        message:
          'expected a file <provider>/<domain>/<template>.yml of a-z, 0-9 and _, which is the URL of its runs,' +
          ` got ${relative(configs, path)}`,
      })
    const { faults: found, plan } = checkPipeline(source, {
      path: name,
      templates,
      schemas,
      project_id,
      shared_sources,
      outline: options.outline,
      readQuery: (query) => readQueryFile(join(dirname(path), query)),
    })
    faults.push(...found)
    const { pipeline_id } = (source.value ?? {}) as { pipeline_id?: unknown }
    if (typeof pipeline_id === 'string')
      ids.set(pipeline_id, [...(ids.get(pipeline_id) ?? []), { file, ...source.place(['pipeline_id']) }])
    if (plan === undefined) continue
    plans.set(name ?? file, plan)
    read.set(name ?? file, { plan, source })
  }
  const names = filesBelow(configs, isPipeline).flatMap((path) => nameOf(path) ?? [])
  if ([...plans.values()].some(({ after }) => after !== undefined)) faults.push(...checkAfter(read, names))
  faults.push(...checkAliases(read, names))
  // Neither of two is the one in the wrong.
  for (const [pipeline_id, places] of ids)
    for (const place of places) {
      const others = places.filter(({ file }) => file !== place.file).map(({ file }) => file)
      if (others.length > 0)
        faults.push({
          ...place,
          message: `pipeline_id: "${pipeline_id}" is the name of ${others.join(', ')} too; it must be unique`,
        })
    }
  const order = (a: ConfigFault, b: ConfigFault) => {
    if (a.file === b.file) return a.line - b.line || a.column - b.column
    return a.file < b.file ? -1 : 1
  }
  return { faults: faults.sort(order), checked: files.length, plans, templates }
}
/** Other paths of pipelines that are somebody's already. `names`: the paths of all files. */
const checkAliases = (
  read: ReadonlyMap<string, { plan: PipelinePlan; source: Source }>,
  names: readonly string[],
): ConfigFault[] => {
  const taken = new Map(names.map((name) => [name, name]))
  return [...read].flatMap(([path, { plan, source }]) =>
    (plan.aliases ?? []).flatMap((alias, k): ConfigFault[] => {
      const say = (message: string): ConfigFault[] => [
        { file: source.file, ...source.place(['aliases', k]), message: `aliases[${k}]: ${message}` },
      ]
      const owner = taken.get(alias)
      if (owner !== undefined) return say(`"${alias}" is the path of ${owner === alias ? 'a pipeline' : owner} already`)
      taken.set(alias, path)
      return isSystemPipeline(alias) === isSystemPipeline(path)
        ? []
        : say(`expected a path ${isSystemPipeline(path) ? 'in' : 'outside of'} setup/, as its own is, got "${alias}"`)
    }),
  )
}

/** Undefined where it cannot be read. */
const readQueryFile = (path: string): QueryFile | undefined => {
  try {
    return { file: relative(process.cwd(), path), text: readFileSync(path, 'utf8') }
  } catch {
    return undefined
  }
}
const readProblems: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder, expected a file',
  EACCES: 'no right to read it',
}

/** The lines of a report, their messages one below the other. */
export const showFaults = (faults: readonly ConfigFault[]): string[] => {
  const places = faults.map(({ file, line, column }) => `${file}:${line}:${column}`)
  const width = Math.max(0, ...places.map((place) => place.length))
  return faults.map(({ message }, k) => `${(places[k] ?? '').padEnd(width)}  ${message}`)
}

/** Reads configs/ and ps_templates/ once. Throws CONFIG_INVALID with every fault of every file. */
export const loadPipelines = (options: LoadOptions): Pipelines => {
  const { faults, plans, templates } = checkFiles(options)
  if (faults.length > 0)
    throw new AppError(
      'CONFIG_INVALID',
      `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'} in pipelines and templates; nothing was started`,
      { faults: showFaults(faults) },
    )
  const { project_id, shared_sources = sharedSourcesOf(defaultSharedSources, project_id) } = options
  const kinds = [...templates.values()].map(({ ps_type, host }) => ({ ps_type, host }))
  return { kinds, ...pipelinesOf(plans.values(), project_id, shared_sources) }
}

/** The catalogue of checked pipelines. */
const pipelinesOf = (
  plans: Iterable<PipelinePlan>,
  project_id: string,
  shared_sources: readonly string[],
): Omit<Pipelines, 'kinds'> => {
  const byPath = new Map([...plans].map((plan) => [plan.path, plan]))
  const known = new Map<
    string,
    { pipeline: Pipeline; compile: (input: CompileInput) => Run; dated: ReturnType<typeof planDays> }
  >(
    [...byPath.values()].map((plan) => [
      plan.path,
      {
        pipeline: {
          path: plan.path,
          pipeline_id: plan.pipeline_id,
          description: plan.description,
          parameters: plan.parameters,
          ...(plan.schedule === undefined ? {} : { schedule: plan.schedule }),
          ...(plan.after === undefined ? {} : { after: plan.after.map(({ pipeline }) => pipeline) }),
          uses_sources: usesSources(plan),
          steps: plan.steps.map(({ step_id, name, ps_type, trigger }) => ({
            step_id,
            name,
            ps_type,
            ...(trigger === undefined ? {} : { trigger }),
          })),
          uses: plan.uses,
        },
        compile: planCompiler(plan, project_id, shared_sources),
        dated: planDays(plan),
      },
    ]),
  )
  const list = [...known.values()].map(({ pipeline }) => pipeline).sort((a, b) => (a.path < b.path ? -1 : 1))
  for (const { path, aliases = [] } of byPath.values()) {
    const own = known.get(path)
    for (const alias of aliases) if (own !== undefined) known.set(alias, own)
  }
  return {
    list: () => list,
    followersOf: (run) => followersOf(byPath, run),
    get: (path) => known.get(path)?.pipeline,
    datedParameters: (path, parameters, at, timezone) => known.get(path)?.dated(parameters, at, timezone) ?? parameters,
    compile: (input) => {
      const found = known.get(input.pipeline)
      if (found === undefined)
        throw new AppError(
          'PIPELINE_UNKNOWN',
          `no pipeline ${show(input.pipeline)}${didYouMean(input.pipeline, known.keys())}`,
        )
      return found.compile(input)
    },
  }
}

/** Pipelines from text: written to a folder of their own, checked with the real templates, and gone again. */
import { outline } from '@convergence/googlesql'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { AppError, sourceKinds, type Run, type Source } from '@convergence/contracts'
import {
  checkFiles,
  loadPipelines,
  sharedSourcesOf,
  type CompileInput,
  type ConfigFault,
  type Pipelines,
} from '@convergence/pipeline'

const inFolder = <T>(files: Readonly<Record<string, string>>, use: (folder: string) => T): T => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-pipeline-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const project_id = 'local-convergence'
/** The operator's setting SHARED_SOURCES; default: what it is without one. */
const sharing = (setting: string | undefined) =>
  setting === undefined ? {} : { shared_sources: sharedSourcesOf(setting, project_id) }
const onlyFile = 'gcp/cost/billing.yml'
const show = ({ line, column, message }: ConfigFault) => `${line}:${column}  ${message}`
/** The faults of one pipeline (or of several, by path) as `line:column  message`. */
export const faultsIn = (files: string | Readonly<Record<string, string>>, shared?: string): string[] =>
  inFolder(typeof files === 'string' ? { [onlyFile]: files } : files, (configs_folder) =>
    checkFiles({ configs_folder, project_id, outline, ...sharing(shared) }).faults.map(show),
  )
/** Each of the pipelines gets a name of its own. */
export const faultsByFile = (given: Readonly<Record<string, string>>): Map<string, string[]> => {
  const files = Object.fromEntries(
    Object.entries(given).map(([file, text], k) => [
      file,
      text.replace(/^pipeline_id: example$/m, `pipeline_id: example_${k}`),
    ]),
  )
  return inFolder(files, (configs_folder) => {
    const found = new Map<string, string[]>()
    for (const fault of checkFiles({ configs_folder, outline }).faults) {
      const name = Object.keys(files).find((file) => fault.file.endsWith(file)) ?? fault.file
      found.set(name, [...(found.get(name) ?? []), show(fault)])
    }
    return found
  })
}
export const pipelinesFrom = (files: string | Readonly<Record<string, string>>, shared?: string): Pipelines => {
  const given = typeof files === 'string' ? { [onlyFile]: files } : files
  return inFolder(given, (configs_folder) => loadPipelines({ configs_folder, project_id, outline, ...sharing(shared) }))
}
/** A pipeline with these steps, each a line or block of the list. */
export const withSteps = (steps: string, head = ''): string =>
  `pipeline_id: example\ndescription: Example\n${head}steps:\n${steps}\n`

export const ask = (input: Partial<CompileInput> = {}): CompileInput => ({
  run_id: 'r_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  tenant_id: 'acme_corp',
  pipeline: 'gcp/cost/billing',
  parameters: {},
  trigger_type: 'api',
  requested_at: '2026-03-01T00:30:00.000Z',
  ...input,
})
/** Code and faults of what a call throws. */
export const failure = (call: () => unknown): { code: string; message: string; faults: readonly string[] } => {
  try {
    call()
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message, faults: error.faults }
    throw error
  }
  throw new Error('nothing was thrown')
}
export const queryOf = (run: Run): { query: string; parameters: { name: string; type: string; value: unknown }[] } =>
  run.steps[0]?.config['source'] as { query: string; parameters: { name: string; type: string; value: unknown }[] }

/** A source of each kind. */
export const acmeSources: readonly Source[] = sourceKinds.map(({ provider, kind }) => {
  const fields: Readonly<Record<typeof provider, object>> = {
    gcp: {
      table: `acme-billing-1.exports.gcp_${kind}_v1_01AB23_45CD67_89EF01`,
      projects: ['acme-prod-4711'],
    },
    aws: { bucket: 'acme-cur', prefix: kind, report_name: 'daily' },
    azure: { container: 'exports', prefix: kind, export_name: 'daily' },
    any: { store: 's3', bucket: 'acme-focus', prefix: 'any' },
  }
  return { name: `${provider}_${kind}`, provider, kind, ...fields[provider] } as Source
})

/**
 * `npm run validate [-- FILE...]`: checks pipelines, templates and saved queries without a server; a line per fault, the
 * last one counts; exit 1 on any. GCP_PROJECT_ID and SHARED_SOURCES say what files may name, as they do to the services.
 */
import { statSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { AppError } from '@convergence/contracts'
import { outline } from '@convergence/googlesql'
import {
  checkFiles,
  configsFolder,
  defaultSharedSources,
  filesBelow,
  sharedSourcesOf,
  showFaults,
  templatesFolder,
  type ConfigFault,
} from '@convergence/pipeline'
import { checkSavedQueries } from '@convergence/pipeline/saved-queries'
import { runCommand, UsageError } from './command.ts'
import { hostFaults } from './hosts.ts'

const help = `
Checks pipelines, templates and saved queries without a server: a line for each fault, with its place and what was
expected. Without FILE all of configs/ and ps_templates/; a folder stands for the pipelines below it. Files outside of
configs/ are checked beside it, so that a pipeline_id that is taken is told. Exit code 1 on any fault.

  -o, --output FORMAT  text (default), json ({files, faults: [{file, line, column, message}]}) or sarif

Settings: GCP_PROJECT_ID, SHARED_SOURCES, as the services have them.
`

const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`
const isYaml = (name: string) => /\.ya?ml$/.test(name)
const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

const sharedSources = (project_id: string): string[] => {
  try {
    return sharedSourcesOf(process.env['SHARED_SOURCES'] || defaultSharedSources, project_id)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    console.error([error.message, ...error.faults].join('\n  '))
    process.exit(1)
  }
}

/** SARIF 2.1.0, which code hosts show beside the lines of a change. */
const sarif = (faults: readonly ConfigFault[]) => ({
  version: '2.1.0',
  $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
  runs: [
    {
      tool: { driver: { name: 'convergence validate', rules: [{ id: 'pipeline' }] } },
      results: faults.map(({ file, line, column, message }) => ({
        ruleId: 'pipeline',
        level: 'error',
        message: { text: message },
        locations: [
          {
            physicalLocation: {
              artifactLocation: { uri: file.split(sep).join('/') },
              region: { startLine: line, startColumn: column },
            },
          },
        ],
      })),
    },
  ],
})

await runCommand(
  {
    name: 'npm run validate',
    synopsis: '[-o text|json|sarif] [FILE...]',
    help,
    positionals: true,
    options: { output: { type: 'string', short: 'o' } },
  },
  ({ output = 'text' }, given) => {
    if (output !== 'text' && output !== 'json' && output !== 'sarif')
      throw new UsageError(`--output expects text, json or sarif, got "${output}"`)
    const named = given
      .map((name) => resolve(name))
      .flatMap((path) => (isFolder(path) ? filesBelow(path, isYaml) : [path]))
    const examples = filesBelow(templatesFolder(), (name) => name === 'example.yml')
    const configs = filesBelow(configsFolder(), isYaml)
    const files = given.length > 0 ? [...new Set([...configs, ...named])] : [...configs, ...examples]
    const project_id = process.env['GCP_PROJECT_ID'] || 'local-convergence'
    const checked = checkFiles({ files, project_id, shared_sources: sharedSources(project_id), outline })
    const others = new Set(
      given.length > 0
        ? configs.filter((path) => !named.includes(path)).map((path) => relative(process.cwd(), path))
        : [],
    )
    const saved =
      given.length > 0
        ? { queries: 0, faults: [] }
        : checkSavedQueries({ templates: checked.templates.values(), outline })
    const faults = [...checked.faults.filter(({ file }) => !others.has(file)), ...saved.faults]
    const read = given.length > 0 ? named.length : files.length + checked.templates.size + saved.queries
    if (output !== 'text') {
      console.log(JSON.stringify(output === 'json' ? { files: read, faults } : sarif(faults), null, 2))
      if (faults.length > 0) process.exitCode = 1
      return
    }
    // A kind of step that nobody runs is wrong for whoever names it.
    const lines = [...showFaults(faults), ...hostFaults(checked.templates.values())]
    for (const line of lines) console.log(line)
    // The templates are always read: a pipeline is right or wrong by them.
    if (lines.length > 0) {
      const touched = new Set(faults.map(({ file }) => file)).size
      console.log(`${count(lines.length, 'fault')} in ${touched} of ${count(read, 'file')}`)
      process.exitCode = 1
    } else if (given.length > 0) console.log(`${count(named.length, 'file')} in order`)
    else
      console.log(
        `${count(configs.length, 'pipeline')}, ${count(checked.templates.size, 'template')}, ` +
          `${count(examples.length, 'example')} and ${saved.queries} saved queries are in order`,
      )
  },
)

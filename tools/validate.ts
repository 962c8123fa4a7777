/**
 * `npm run validate [-- FILE...]`: checks pipelines and templates without a server; a line per fault, the last one
 * counts; exit 1 on any. GCP_PROJECT_ID and SHARED_SOURCES say what files may name, as they do to the services.
 */
import { resolve } from 'node:path'
import { AppError } from '@convergence/contracts'
import {
  checkFiles,
  configsFolder,
  defaultSharedSources,
  filesBelow,
  sharedSourcesOf,
  showFaults,
  templatesFolder,
} from '@convergence/pipeline'
import { runCommand } from './command.ts'
import { hostFaults } from './hosts.ts'

const help = `
Checks pipelines and templates without a server: a line for each fault, with its place and what was expected. Without
FILE all of configs/ and ps_templates/. Exit code 1 on any fault.

Settings: GCP_PROJECT_ID, SHARED_SOURCES, as the services have them.
`

const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`
const isYaml = (name: string) => /\.ya?ml$/.test(name)

const sharedSources = (project_id: string): string[] => {
  try {
    return sharedSourcesOf(process.env['SHARED_SOURCES'] || defaultSharedSources, project_id)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    console.error([error.message, ...error.faults].join('\n  '))
    process.exit(1)
  }
}

await runCommand({ name: 'npm run validate', synopsis: '[FILE...]', help, positionals: true }, (_, given) => {
  const named = given.map((file) => resolve(file))
  const examples = filesBelow(templatesFolder(), (name) => name === 'example.yml')
  const files = named.length > 0 ? named : [...filesBelow(configsFolder(), isYaml), ...examples]
  const project_id = process.env['GCP_PROJECT_ID'] || 'local-convergence'
  const { faults, templates } = checkFiles({ files, project_id, shared_sources: sharedSources(project_id) })
  // A kind of step that nobody runs is wrong for whoever names it.
  const lines = [...showFaults(faults), ...hostFaults(templates.values())]
  for (const line of lines) console.log(line)
  // The templates are always read: a pipeline is right or wrong by them.
  const read = named.length > 0 ? named.length : files.length + templates.size
  const pipelines = count(files.length - examples.length, 'pipeline')
  if (lines.length > 0) {
    const touched = new Set(faults.map(({ file }) => file)).size
    console.log(`${count(lines.length, 'fault')} in ${touched} of ${count(read, 'file')}`)
    process.exitCode = 1
  } else if (named.length > 0) console.log(`${count(named.length, 'file')} in order`)
  else
    console.log(
      `${pipelines}, ${count(templates.size, 'template')} and ${count(examples.length, 'example')} are in order`,
    )
})

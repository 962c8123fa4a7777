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
import { hostFaults } from './hosts.ts'

const named = process.argv.slice(2).map((file) => resolve(file))
const isYaml = (name: string) => /\.ya?ml$/.test(name)
const examples = filesBelow(templatesFolder(), (name) => name === 'example.yml')
const files = named.length > 0 ? named : [...filesBelow(configsFolder(), isYaml), ...examples]

const { GCP_PROJECT_ID, SHARED_SOURCES } = process.env
const project_id = GCP_PROJECT_ID || 'local-convergence'
const shared = (): string[] => {
  try {
    return sharedSourcesOf(SHARED_SOURCES || defaultSharedSources, project_id)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    console.error([error.message, ...error.faults].join('\n  '))
    process.exit(1)
  }
}
const { faults, templates } = checkFiles({ files, project_id, shared_sources: shared() })
for (const line of showFaults(faults)) console.log(line)
// A kind of step that nobody runs is wrong for whoever names it.
const unhosted = hostFaults(templates.values())
for (const line of unhosted) console.log(line)
const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`
// The templates are always read: a pipeline is right or wrong by them.
const read = named.length > 0 ? named.length : files.length + templates.size
if (faults.length + unhosted.length === 0)
  console.log(
    named.length > 0
      ? `${count(named.length, 'file')} in order`
      : `${count(files.length - examples.length, 'pipeline')}, ${count(templates.size, 'template')} and ${count(examples.length, 'example')} are in order`,
  )
else {
  console.log(
    `${count(faults.length + unhosted.length, 'fault')} in ${new Set(faults.map(({ file }) => file)).size} of ${count(read, 'file')}`,
  )
  process.exitCode = 1
}

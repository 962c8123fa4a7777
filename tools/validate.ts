/** `npm run validate [-- FILE...]`: checks pipelines and templates without a server; a line per fault, the last one counts; exit 1 on any. */
import { resolve } from 'node:path'
import { checkFiles } from '@convergence/pipeline'

const files = process.argv.slice(2).map((file) => resolve(file))
const { faults, checked, templates } = checkFiles({ project_id: 'local-convergence', ...(files.length === 0 ? {} : { files }) })
for (const { file, line, column, message } of faults) console.log(`${`${file}:${line}:${column}`.padEnd(42)} ${message}`)
if (faults.length === 0) console.log(`${checked} pipelines and ${templates.size} templates are in order`)
else {
  const count = new Set(faults.map(({ file }) => file)).size
  console.log(`${faults.length} ${faults.length === 1 ? 'fault' : 'faults'} in ${count} of ${checked + templates.size} files`)
  process.exitCode = 1
}

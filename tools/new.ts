/**
 * `npm run new -- processor NAME` and `npm run new -- pipeline PATH`: the files that a new kind of step, or a new
 * pipeline, needs, in order from the first moment: what is made validates and passes its test.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { AppError, isName, isSystemPipeline } from '@convergence/contracts'
import { runCommand, UsageError } from './command.ts'

const help = `
Makes what a new kind of step, or a new pipeline, needs; it is in order at once, and says what to do next.

  processor NAME   a kind of step that the executor hosts, such as custom.my_step: its code, its line in the registry,
                   its template with example and README, and a test that passes the standard suite of processors
  pipeline PATH    a pipeline <provider>/<domain>/<name>, such as custom/examples/mine; the path is its URL

Nothing that exists is overwritten.
`

const root = join(import.meta.dirname, '..')
/** What is in use already as the first part of a name, and belongs to another service. */
const ofOthers: Readonly<Record<string, string>> = {
  notify_systems: 'the notifier',
  scheduler: 'the scheduler',
  setup: 'the platform itself',
}

const processorName = /^[a-z][a-z0-9_]{0,30}\.[a-z][a-z0-9_]{0,40}$/
/** custom.my_step -> customMyStep: both parts, so that it is no word of the language and nobody else's name. */
const codeName = (name: string): string =>
  name.replace(/[._]+([a-z0-9]?)/g, (_, letter: string) => letter.toUpperCase())

/** Writes all of the files, or none where one is there already. Paths are below the repository's root. */
const write = (files: Readonly<Record<string, string>>): string[] => {
  const paths = Object.keys(files)
  const there = paths.filter((path) => existsSync(join(root, path)))
  if (there.length > 0)
    throw new AppError('CONFLICT', 'expected a name that is free, got one that is taken; nothing was written', {
      faults: there.map((path) => `${path} exists`),
    })
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return paths
}

const registry = 'services/executor/src/processors/registry.ts'
const pipelineSchema = 'schemas/pipeline.json'

/** The first run of lines that are alike, with one more, sorted by what `key` says of a line. */
const withLine = (
  path: string,
  text: string,
  { alike, line, key }: { alike: RegExp; line: string; key: (line: string) => string },
): string => {
  const lines = text.split('\n')
  const first = lines.findIndex((each) => alike.test(each))
  if (first < 0) throw new AppError('CONFIG_INVALID', `${path}: expected lines like ${String(alike)}, got none`)
  const rest = lines.slice(first)
  const found = rest.findIndex((each) => !alike.test(each))
  const length = found < 0 ? rest.length : found
  const sorted = [...rest.slice(0, length), line].sort((x, y) => (key(x) < key(y) ? -1 : 1))
  return [...lines.slice(0, first), ...sorted, ...rest.slice(length)].join('\n')
}

/** The registry with one more import and one more entry, both in their place. */
export const withProcessor = (text: string, name: string): string => {
  const own = codeName(name)
  if (new RegExp(`\\b${own}\\b`).test(text))
    throw new AppError('CONFLICT', `${registry}: expected a name that is free, got ${own}; nothing was written`)
  const imported = withLine(registry, text, {
    alike: /^import .* from '\.\/.*'$/,
    line: `import { ${own} } from './${name.replaceAll('.', '/')}.ts'`,
    key: (line) => line.replace(/^.* from /, ''),
  })
  return withLine(registry, imported, {
    alike: /^ {4}'[a-z0-9_.]+': /,
    line: `    '${name}': ${own}(deps),`,
    key: (line) => line.trim(),
  })
}

/** The kinds of step that editors offer, with one more. */
export const withKind = (text: string, name: string): string => {
  const [head, list, tail] =
    /^([^]*?"description": "the kind of step",\s*"examples": \[\n)([^\]]*)(\n\s*\][^]*)$/.exec(text)?.slice(1) ?? []
  if (head === undefined || list === undefined || tail === undefined)
    throw new AppError('CONFIG_INVALID', `${pipelineSchema}: expected the examples of ps_type`)
  const indent = /^\s*/.exec(list)?.[0] ?? ''
  const names = [...list.matchAll(/"([^"]+)"/g)].map(([, each = '']) => each)
  return `${head}${[...names, name]
    .sort()
    .map((each) => `${indent}"${each}"`)
    .join(',\n')}${tail}`
}

const makeProcessor = (name: string): string[] => {
  if (!processorName.test(name))
    throw new UsageError(
      `expected <provider>.<step> of a-z, 0-9 and _, such as custom.my_step, got ${JSON.stringify(name.slice(0, 80))}`,
    )
  const [provider = '', step = ''] = name.split('.')
  if (ofOthers[provider] !== undefined)
    throw new UsageError(
      `expected a kind of step of the executor, got ${name}: ${provider} is of ${ofOthers[provider]}`,
    )
  const path = `${provider}/${step}`
  const template = `ps_templates/${path}`
  const deeper = '../'.repeat(path.split('/').length)
  const files = {
    [`services/executor/src/processors/${path}.ts`]: `import { assertWritable } from '@convergence/pipeline'
import type { Processor } from '@convergence/service/steps'
import type { ProcessorDeps } from '../deps.ts'
import { destinationOf, type DestinationConfig } from '../gcp/bq_etl.ts'

interface Config {
  source: { text: string }
  destination: DestinationConfig
}

/** One row with a text. The job's id is the step's, so whoever comes second finds the row written. */
export const ${codeName(name)} = ({ warehouse }: Pick<ProcessorDeps, 'warehouse'>): Processor => ({
  ps_type: '${name}',
  run: async ({ run, step, chain }) => {
    const { source, destination } = step.config as unknown as Config
    const target = destinationOf(destination)
    await assertWritable(\`step \${step.step_id}\`, warehouse, run, target)
    const { rows_written, bytes_processed, attempt } = await warehouse.runJob(chain, {
      kind: 'query',
      query: 'SELECT @text AS text',
      parameters: [{ name: 'text', type: 'STRING', value: source.text }],
      default_dataset: target.dataset,
      destination: target,
    })
    const outputs = { table: \`\${target.dataset}.\${target.table}\`, rows_written }
    return { rows_written, bytes_processed, attempt, outputs }
  },
})
`,
    [`${template}/config.yml`]: `# yaml-language-server: $schema=${deeper}../schemas/template.json
ps_type: ${name}
description: Writes a row with a text
host: executor
defaults: { timeout_minutes: 10, max_retries: 3, retry_delay_seconds: 5 }
step:
  required: [source, destination]
  properties:
    source:
      type: object
      description: what is written
      additionalProperties: false
      required: [text]
      properties:
        text: { type: string, description: the text of the row, examples: ['of {tenant_id}'] }
    destination:
      $ref: 'pipeline.json#/definitions/destination'
      description: where the row goes
`,
    [`${template}/example.yml`]: `# yaml-language-server: $schema=${deeper}../schemas/pipeline.json
pipeline_id: example_${step}
description: One row with a text, in a table made for it
steps:
  - step_id: write_text
    ps_type: ${name}
    source: { text: "of {tenant_id}" }
    destination:
      bq_project_id: "{project_id}"
      dataset_type: "{tenant_id}"
      table: ${provider}_${step}
      write_mode: append
      schema_template: ${provider}_${step}
`,
    [`${template}/schemas/${provider}_${step}.json`]: `${JSON.stringify(
      [{ name: 'text', type: 'STRING', description: 'What the step was given' }],
      null,
      2,
    )}\n`,
    [`${template}/README.md`]: `# ${name}

Writes one row with a text.

Columns: [${provider}_${step}](schemas/${provider}_${step}.json).

Fields and defaults: [config.yml](config.yml). A pipeline that uses it: [example.yml](example.yml). Runs in executor.
`,
    [`services/executor/test/processors/${path}.test.ts`]: `import { processorSuite } from '../../processor-suite.ts'

processorSuite({ ps_type: '${name}', rows_written: 1 })
`,
  }
  // Both are read before anything is written: a name that is taken, or a list that is not found, leaves all as it was.
  const changed = {
    [registry]: withProcessor(readFileSync(join(root, registry), 'utf8'), name),
    [pipelineSchema]: withKind(readFileSync(join(root, pipelineSchema), 'utf8'), name),
  }
  const made = write(files)
  for (const [file, text] of Object.entries(changed)) writeFileSync(join(root, file), text)
  return [
    ...made.map((file) => `made     ${file}`),
    ...Object.keys(changed).map((file) => `changed  ${file}`),
    '',
    `It writes a row with a text. Next: its fields in ${template}/config.yml, its work in`,
    `services/executor/src/processors/${path}.ts, its name in the list of services/executor/README.md, then`,
    '',
    `  npx mocha services/executor/test/processors/${path}.test.ts`,
    '  npm run validate && npm run generate && npm run typecheck',
  ]
}

const makePipeline = (name: string): string[] => {
  const path = name.replace(/\.ya?ml$/, '')
  if (!isName('pipeline', path))
    throw new UsageError(
      'expected <provider>/<domain>/<name> of a-z, 0-9 and _, such as custom/examples/mine, ' +
        `got ${JSON.stringify(name.slice(0, 80))}`,
    )
  if (isSystemPipeline(path))
    throw new UsageError(`expected a pipeline of tenants, got ${path}: setup/ is of the platform itself`)
  const file = `configs/${path}.yml`
  write({
    [file]: `# yaml-language-server: $schema=${relative(dirname(file), pipelineSchema)}
pipeline_id: ${path.replaceAll('/', '_').slice(0, 64)}
description: One row for a day, replaced when the day is loaded again
steps:
  - step_id: load_day
    ps_type: gcp.bq_etl
    source:
      query: |
        SELECT '{date}' AS day, 1 AS runs
    destination:
      bq_project_id: "{project_id}"
      dataset_type: "{tenant_id}"
      table: ${path.split('/').slice(1).join('_').slice(0, 100)}
      write_mode: truncate
      period: { day: "{date}" }
`,
  })
  return [
    `made     ${file}`,
    '',
    'Next: its query and its destination, then',
    '',
    `  npm run validate -- ${file}`,
    `  its runs are at POST /api/v1/pipelines/run/{tenant_id}/${path}`,
  ]
}

const kinds: Readonly<Record<string, (name: string) => string[]>> = {
  processor: makeProcessor,
  pipeline: makePipeline,
}

if (import.meta.main)
  await runCommand(
    { name: 'npm run new', synopsis: 'processor NAME | pipeline PATH', help, positionals: true },
    (_, given) => {
      const [kind = '', name, ...more] = given
      const make = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
      if (make === undefined)
        throw new UsageError(`expected processor or pipeline, got ${kind === '' ? 'nothing' : JSON.stringify(kind)}`)
      if (name === undefined || more.length > 0)
        throw new UsageError(
          `expected one name after ${kind}, got ${name === undefined ? 'none' : `${more.length + 1}`}`,
        )
      console.log(make(name).join('\n'))
    },
  )

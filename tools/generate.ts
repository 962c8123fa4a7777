/** `npm run generate`: writes what is generated. `npm run verify` runs it with `--check`. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { description } from '@convergence/auth/routes'
import { compile } from 'json-schema-to-typescript'
import { stringify } from 'yaml'
import { runCommand } from './command.ts'
import { platformTexts } from './k8s/platform.ts'
import { ruleTexts } from './focus/rules.ts'
import { kustomize, writeGoldens } from './k8s/render.ts'
import { envExample, pageTexts } from './pages.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

const eventTypes = async (): Promise<string> => {
  const files = readdirSync(join(root, 'schemas/events'))
    .filter((name) => name.endsWith('.json'))
    .sort()
  const topics = files.filter((name) => name !== 'run.v1.json').map((name) => name.replace('.v1.json', ''))
  const schema = {
    $id: 'events',
    title: 'EventBodies',
    type: 'object',
    additionalProperties: false,
    required: topics,
    properties: Object.fromEntries(topics.map((topic) => [topic, { $ref: `${topic}.v1.json` }])),
  }
  const text = await compile(schema as Parameters<typeof compile>[0], 'EventBodies', {
    cwd: join(root, 'schemas/events') + '/',
    bannerComment: '',
    style: { semi: false, singleQuote: true, printWidth: 160 },
    unreachableDefinitions: false,
    $refOptions: { resolve: { file: { order: 1 } } },
  })
  const closed = text.replaceAll('\n  [k: string]: unknown\n}', '\n}')
  return `// Generated from schemas/events by \`npm run generate\`; do not edit.\n${closed}`
}

const errorTypes = (): string => {
  const errors = JSON.parse(read('schemas/errors.json')) as Record<
    string,
    { http_status: number; retryable: boolean; meaning: string; what_to_do: string }
  >
  const lines = Object.entries(errors).map(
    ([code, { http_status, retryable, meaning, what_to_do }]) =>
      `  ${code}: { http_status: ${http_status}, retryable: ${retryable}, ` +
      `meaning: ${JSON.stringify(meaning)}, what_to_do: ${JSON.stringify(what_to_do)} },`,
  )
  return [
    '// Generated from schemas/errors.json by `npm run generate`; do not edit.',
    '/* eslint-disable */',
    'export const errors = {',
    ...lines,
    '} as const',
    '',
  ].join('\n')
}

const openapiText = (): string =>
  '# The REST API, made from the declarations of the routes in services/auth by `npm run generate`; do not edit.\n' +
  stringify(description(), { lineWidth: 0, aliasDuplicateObjects: false })

const help = `
Writes what is made from schemas/, services/*/env.schema.json and code: event and error types, the description of the
REST API, the platform's resources on Google Cloud, renders of the manifests, .env.example, and the parts of pages
between their marks (settings, error codes, GoogleSQL lists, cost, saved queries).

  --check   writes nothing; names each file that is stale, exit code 1
`

const generate = async (check: boolean): Promise<void> => {
  const generated: Record<string, string> = {
    'libs/contracts/src/events.generated.ts': await eventTypes(),
    'libs/contracts/src/errors.generated.ts': errorTypes(),
    'schemas/openapi.yaml': openapiText(),
    // Where the models of FOCUS are; elsewhere what is there stays.
    ...ruleTexts(),
    ...Object.fromEntries(Object.entries(platformTexts()).map(([name, text]) => [`k8s/platform/base/${name}`, text])),
    '.env.example': envExample(),
    ...pageTexts(),
  }
  const stale = Object.entries(generated).filter(([path, text]) => !existsSync(join(root, path)) || read(path) !== text)
  if (check) {
    for (const [path] of stale) console.error(`${path}: stale; run \`npm run generate\``)
    if (stale.length > 0) process.exitCode = 1
    else console.log(`${Object.keys(generated).length} generated files are up to date`)
    return
  }
  for (const [path, text] of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const command = kustomize()
  if (command === undefined) console.log('k8s/golden is as it was: neither kubectl nor kustomize is installed')
  else await writeGoldens(command)
  console.log(stale.length === 0 ? 'everything was up to date' : `wrote ${stale.map(([path]) => path).join(', ')}`)
}

await runCommand(
  { name: 'npm run generate', synopsis: '[--check]', help, options: { check: { type: 'boolean', default: false } } },
  ({ check }) => generate(check),
)

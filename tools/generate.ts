/**
 * Writes what is generated from schemas/: event types, the list of error codes, the platform's resources on Google
 * Cloud. `npm run verify` runs it with `--check`
 * and fails where a checked-in file differs.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { compile } from 'json-schema-to-typescript'
import { platformTexts } from './k8s/platform.ts'
import { kustomize, writeGoldens } from './k8s/render.ts'

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
  return `// Generated from schemas/events by \`npm run generate\`; do not edit.\n${text.replaceAll('\n  [k: string]: unknown\n}', '\n}')}`
}

const errorTypes = (): string => {
  const errors = JSON.parse(read('schemas/errors.json')) as Record<
    string,
    { http_status: number; retryable: boolean; meaning: string; what_to_do: string }
  >
  const lines = Object.entries(errors).map(
    ([code, e]) =>
      `  ${code}: { http_status: ${e.http_status}, retryable: ${e.retryable}, meaning: ${JSON.stringify(e.meaning)}, what_to_do: ${JSON.stringify(e.what_to_do)} },`,
  )
  return `// Generated from schemas/errors.json by \`npm run generate\`; do not edit.\n/* eslint-disable */\nexport const errors = {\n${lines.join('\n')}\n} as const\n`
}

const generated: Record<string, string> = {
  'libs/contracts/src/events.generated.ts': await eventTypes(),
  'libs/contracts/src/errors.generated.ts': errorTypes(),
  ...Object.fromEntries(Object.entries(platformTexts()).map(([name, text]) => [`k8s/platform/base/${name}`, text])),
}

const check = process.argv.includes('--check')
let stale = 0
for (const [path, text] of Object.entries(generated)) {
  if (!check) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  } else if (!existsSync(join(root, path)) || read(path) !== text) {
    stale += 1
    console.error(`${path}: not what schemas/ says; run \`npm run generate\``)
  }
}
if (!check) {
  const command = kustomize()
  if (command === undefined) console.log('k8s/golden is as it was: neither kubectl nor kustomize is installed')
  else await writeGoldens(command)
}
if (stale > 0) process.exitCode = 1
else
  console.log(
    check
      ? `${Object.keys(generated).length} generated files are up to date`
      : `wrote ${Object.keys(generated).join(', ')}`,
  )

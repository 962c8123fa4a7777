/** Pages and parts of pages that are made from schemas/ and code: error codes, settings, GoogleSQL lists, cost, saved queries. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { problemType, serviceNames } from '@convergence/contracts'
import { focusRules, type ModelRules } from '@convergence/contracts/focus-rules'
import { listsMarkdown } from '@convergence/googlesql/lists'
import { savedQueries } from '@convergence/pipeline/saved-queries'
import { readEnvSchema, variableOf, type EnvSchema } from '@convergence/service/env'
import { readUsages, section as costSection } from './cost/main.ts'
import { platformSchema } from './settings.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

interface Part {
  page: string
  begin: string
  end: string
  text(): string
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
  return `${[line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')}\n`
}

interface ServiceSchema extends EnvSchema {
  then: { required: string[] }
  else: { required: string[] }
}
const serviceSettings = (service: string): string => {
  const schema = readEnvSchema(join(root, 'services', service, 'env.schema.json')) as ServiceSchema
  return table(
    ['variable', 'needed with RUNTIME', 'default', 'what it is, what is expected'],
    Object.keys(schema.properties).map((name) => {
      const { description = '', expected = '', default: usual = '', secret } = variableOf(schema, name)
      const needed = [
        ...(schema.then.required.includes(name) ? ['`gcp`'] : []),
        ...(schema.else.required.includes(name) ? ['`local`'] : []),
      ]
      const words = [description, expected, ...(secret === true ? ['secret'] : [])].filter((word) => word !== '')
      return [`\`${name}\``, needed.join(', '), usual, words.join('; ')]
    }),
  )
}

const platformSettings = (): string => {
  const schema = platformSchema()
  return table(
    ['setting', 'default', 'meaning'],
    Object.keys(schema.properties).map((name) => {
      const { description = '', expected = '', default: usual = '' } = variableOf(schema, name)
      return [`\`${name}\``, usual === '' ? '' : `\`${usual}\``, `${description}; ${expected}`]
    }),
  )
}

/** Every setting of npm start, commented out with its default. */
export const envExample = (): string => {
  const schema = platformSchema()
  const lines = Object.keys(schema.properties).map((name) => {
    const { description = '', expected = '', default: usual = '' } = variableOf(schema, name)
    return `# ${description}; expected ${expected}\n# ${name}=${usual}\n`
  })
  return (
    '# Settings of npm start, npm run dev and npm run local-cloud: ' +
    'copy to .env and take away the sign before a name.\n' +
    `# The environment itself comes first. Made by npm run generate; do not edit.\n\n${lines.join('\n')}`
  )
}

interface ErrorEntry {
  http_status: number
  retryable: boolean
  meaning: string
  what_to_do: string
  example: string
}
const errorEntries = (): [code: string, entry: ErrorEntry][] =>
  Object.entries(JSON.parse(read('schemas/errors.json')) as Record<string, ErrorEntry>)

const errorCodes = (): string =>
  table(
    ['code', 'HTTP', 'retried', 'meaning'],
    errorEntries().map(([code, { http_status, retryable, meaning }]) => [
      `[\`${code}\`](ERRORS.md#${code.toLowerCase()})`,
      String(http_status),
      retryable ? 'yes' : 'no',
      meaning,
    ]),
  )

/** A section for each error code. */
const errorPage = (): string => {
  const sections = errorEntries().map(
    ([code, { http_status, retryable, meaning, what_to_do, example }]) => `## ${code}

HTTP ${http_status}, ${retryable ? 'retried automatically' : 'not retried'}, \`${problemType(code)}\`

${meaning}.

**What to do:** ${what_to_do}.

    ${example}
`,
  )
  return `<!-- Made from schemas/errors.json by npm run generate; do not edit. -->
# Error codes

Every failure has one of these codes: in an answer of the API (\`code\`, and in \`type\` as a URN), in a run and its
steps (\`error_code\`), in a mail about them, in a dead letter, in the log. A code does not change; the message beside
it says where, what was expected and what came, and each section ends with one such message. *Retried automatically*:
a step by its \`retry_policy\`, a message by Pub/Sub; of an answer of the API, that the same request may be sent again.

${sections.join('\n')}`
}

/** A row for each saved query. */
const savedQueryPage = (): string => {
  const queries = savedQueries()
  const cases = queries.flatMap(({ use_cases }) => use_cases)
  const countOf = (version: string) => cases.filter((each) => each.version === version).length
  const rows = queries.map(({ name, question, reads, use_cases, adds_up, parameters }) => [
    `[\`${name}\`](../configs/focus/queries/${name}.sql)`,
    question,
    // The days are of every query.
    parameters
      .slice(2)
      .map((each) => `\`${each.name}\` ${each.type}${each.required ? '' : ` (${each.default || 'all'})`}`)
      .join(', '),
    reads.join(', '),
    adds_up.join(', '),
    use_cases.map(({ version, slug }) => `[${version}](https://focus.finops.org/use-case/${slug}/)`).join(', '),
  ])
  return `<!-- Made from configs/focus/queries by npm run generate; do not edit. -->
# Saved queries

${queries.length} questions about costs, over the tables of [FOCUS](FOCUS.md), in GoogleSQL that runs on BigQuery and on a laptop alike:
${countOf('1.2')} use cases of FOCUS 1.2 and ${countOf('1.4')} of 1.4, and some of ours. How they are asked: [FOCUS.md](FOCUS.md#questions).

Each takes \`from\` and \`to\`, days of UTC, without which it is of the last whole month; parameters with what they are by default
in brackets may be left out. Amounts are of one currency each. *Adds up*: columns whose sums are those of all charges of the days, or of their bills.

${table(['query', 'question', 'parameters', 'reads', 'adds up', 'use cases'], rows)}`
}

/** Rules of FOCUS that are asked as the model has them not, or not at all. */
const rulesPage = (): string => {
  const { rules, not_asked }: ModelRules = focusRules('1.2', 'cost_and_usage') ?? {
    version: '',
    dataset: '',
    rules: [],
    not_asked: {},
  }
  const made = rules.filter(({ check }) => check[0] === 'all').length
  const reasons = Map.groupBy(Object.entries(not_asked), ([, why]) => why)
  // Without the column's name, which stands before them.
  const idsOf = (entries: readonly (readonly [string, string])[]): string =>
    [...Map.groupBy(entries, ([id]) => id.replace(/-[A-Z]-\d+-[A-Z]$/, ''))]
      .map(([column, each]) => `${column} ${each.map(([id]) => id.slice(column.length + 1)).join(' ')}`)
      .join('; ')
  return `<!-- Made from schemas/focus by npm run generate; do not edit. -->
# Rules of FOCUS 1.2

The official model of FOCUS 1.2 (FinOps Foundation; its texts are CC BY 4.0) has ${rules.length + Object.keys(not_asked).length} rules. ${rules.length} of them are asked of a month's rows before they replace
the old ones ([FOCUS.md](FOCUS.md#what-is-checked)), ${made} of these being made of others. What each asks is in \`schemas/focus\`: facts, one rule a line.

## Asked otherwise

Where the formal part of a rule says other than its sentence, the sentence is asked.

${table(
  ['rule', 'why'],
  rules.flatMap(({ rule, corrected }) => (corrected === undefined ? [] : [[`\`${rule}\``, corrected]])),
)}
A condition that ChargeClass is not \`Correction\` holds where it is NULL, as the specification means it. Text is Unicode, as the specification's string handling has it.

## Not asked

${table(
  ['why', 'rules', 'which'],
  [...reasons]
    .toSorted(([, a], [, b]) => a.length - b.length)
    .map(([why, entries]) => [why, String(entries.length), idsOf(entries)]),
)}`
}

const parts: readonly Part[] = [
  ...serviceNames.map((service) => ({
    page: `services/${service}/README.md`,
    begin: '<!-- settings: npm run generate -->',
    end: '<!-- end of settings -->',
    text: () => serviceSettings(service),
  })),
  {
    page: 'README.md',
    begin: '<!-- settings: npm run generate -->',
    end: '<!-- end of settings -->',
    text: platformSettings,
  },
  {
    page: 'docs/API.md',
    begin: '<!-- error codes: npm run generate -->',
    end: '<!-- end of error codes -->',
    text: errorCodes,
  },
  {
    page: 'docs/LOCAL.md',
    begin: '<!-- googlesql lists: made from libs/googlesql/src; do not edit -->',
    end: '<!-- end of the googlesql lists -->',
    text: listsMarkdown,
  },
  {
    page: 'docs/DEPLOYMENT.md',
    begin: '<!-- npm run cost -- --write -->',
    end: '<!-- end of npm run cost -->',
    text: () => costSection(readUsages()),
  },
]

/** Pages as they should be, by path. Throws where a page has no place for its part. */
export const pageTexts = (): Record<string, string> => ({
  'docs/ERRORS.md': errorPage(),
  'docs/FOCUS-QUERIES.md': savedQueryPage(),
  'docs/FOCUS-RULES.md': rulesPage(),
  ...Object.fromEntries(
    parts.map(({ page, begin, end, text }) => {
      const now = read(page)
      const [from, to] = [now.indexOf(begin), now.indexOf(end)]
      if (from < 0 || to < from) throw new Error(`${page}: expected a line ${begin} and, after it, a line ${end}`)
      return [page, `${now.slice(0, from + begin.length)}\n${text().trimEnd()}\n${now.slice(to)}`]
    }),
  ),
})

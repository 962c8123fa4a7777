/** What a source looks like in OpenAPI; `sourceFaults` of the contracts is what checks it. */
import { namePatterns, sourceKinds, type SourceProvider, type SourceSettings } from '@convergence/contracts'
import type { Field } from './fields.ts'

type Schema = Readonly<Record<string, unknown>>

const string = (description: string, more: Schema = {}): Schema => ({ type: 'string', description, ...more })
const prefix = string('Folder of the export, such as exports/cost; a slash at either end means nothing')
const credential = string('A stored credential of the tenant; without one the platform reads by its own right', {
  pattern: namePatterns.credential_ref,
})
const primary: Schema = {
  const: true,
  description: 'Of an account that several sources tell of, those that say so feed FOCUS, and no other',
}

const sourceOf = (provider: SourceProvider, fields: Readonly<Record<string, Schema>>, required: string[]): Schema => ({
  type: 'object',
  title: provider,
  required: ['provider', 'kind', ...required],
  properties: {
    provider: { const: provider },
    kind: { enum: sourceKinds.filter((each) => each.provider === provider).map(({ kind }) => kind) },
    ...fields,
    credential,
    primary,
  },
  additionalProperties: false,
})

/** One source of each provider; what a test puts. */
export const sourceExamples: readonly SourceSettings[] = [
  {
    provider: 'gcp',
    kind: 'detailed',
    table: 'acme-billing-4711.billing.gcp_billing_export_resource_v1_01AB23_45CD67_89EF01',
    projects: ['acme-prod-4711', 'acme-data-4711'],
    unassigned: true,
  },
  {
    provider: 'aws',
    kind: 'cur2',
    bucket: 'acme-billing-4711',
    prefix: 'exports',
    report_name: 'daily',
    credential: 'aws',
  },
  {
    provider: 'azure',
    kind: 'actual',
    account: 'acmebilling4711',
    container: 'cost-exports',
    prefix: 'cost',
    export_name: 'daily',
    credential: 'azure',
  },
  { provider: 'any', kind: 'focus', store: 's3', bucket: 'acme-focus-4711', prefix: 'llm', credential: 'aws' },
]

export const sourceBody: Field = {
  type: 'object',
  description: 'Where an export is, and by which credential it is read',
  additionalProperties: { type: ['string', 'boolean', 'array', 'integer', 'number', 'object', 'null'] },
  shown: {
    type: 'object',
    oneOf: [
      sourceOf(
        'gcp',
        {
          table: string('project.dataset.table of the export'),
          billing_account_id: string('Only rows of this billing account, such as 01AB23-45CD67-89EF01'),
          projects: {
            description: 'Whose rows are the tenant’s; default all, or none where unassigned is all that it says',
            oneOf: [{ const: 'all' }, { type: 'array', minItems: 1, maxItems: 1000, items: { type: 'string' } }],
          },
          unassigned: { const: true, description: 'Rows of no project too: tax, rounding, support, commitments' },
        },
        ['table'],
      ),
      sourceOf(
        'aws',
        {
          bucket: string('Bucket of the export'),
          prefix,
          report_name: string('Name of the report or data export'),
          region: string('Region of the bucket; default that of the platform'),
        },
        ['bucket', 'prefix', 'report_name'],
      ),
      sourceOf(
        'azure',
        {
          account: string('Storage account; default that of the credential'),
          container: string('Container of the export'),
          prefix: string('Directory of the export'),
          export_name: string('Name of the export'),
          day_format: {
            enum: ['month_first', 'day_first'],
            description: 'How its days are written, where they could be read in two ways',
          },
        },
        ['container', 'prefix', 'export_name'],
      ),
      sourceOf(
        'any',
        {
          store: { enum: ['s3', 'azure', 'gcs'], description: 'Where the FOCUS files are' },
          bucket: string('Bucket or container of the files'),
          prefix: string('Folder of the files; all below it are read, whatever their names'),
        },
        ['store', 'bucket', 'prefix'],
      ),
    ],
    examples: sourceExamples,
  },
}

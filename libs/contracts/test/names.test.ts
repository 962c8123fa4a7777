/** names.ts is the one home of names: what else writes them down (data that no import reaches) is compared with it. */
import { readFileSync, readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { expect } from 'chai'
import { parse } from 'yaml'
import {
  deadLetterName,
  isName,
  namePart,
  namePatterns,
  newTenantIdFault,
  serviceNames,
  subscriptionName,
  tables,
  tenantViews,
  topics,
  views,
  centralDataset,
  systemPipelines,
  type NameKind,
} from '@convergence/contracts'

const root = resolve(import.meta.dirname, '../../..')
const filesBelow = (folder: string, wanted: RegExp): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return ['node_modules', '.nx'].includes(entry.name) ? [] : filesBelow(path, wanted)
    return wanted.test(entry.name) ? [path] : []
  })

/** Fields whose values are names of a kind, in whatever file. */
const kindOfField: Readonly<Record<string, NameKind>> = {
  tenant_id: 'tenant_id',
  new_tenant_id: 'tenant_id',
  for_tenant_id: 'tenant_id',
  pipeline: 'pipeline',
  provider: 'segment',
  domain: 'segment',
  template: 'segment',
  pipeline_id: 'pipeline_id',
  ps_type: 'ps_type',
  step_id: 'step_id',
  run_id: 'run_id',
  parent_run_id: 'run_id',
  schedule_name: 'schedule',
  slack_webhook_url: 'credential_ref',
  credential_ref: 'credential_ref',
  key_id: 'key_id',
  kid: 'kid',
  GCP_PROJECT_ID: 'project_id',
  admin_email: 'email',
}
/** Patterns that are no names: times, texts, numbers, and forms with variables in them. */
const notNames = [
  String.raw`\d{4}-(0[1-9]|1[0-2])`,
  String.raw`^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d))?$`,
  String.raw`^[^\p{Cc}]*$`,
  String.raw`^[^\p{Cc}]+$`,
  '^[A-Za-z0-9_-]*$',
  String.raw`^[a-z0-9_]+\.sql$`,
  '^[A-Za-z0-9_-]{1,128}$',
  '^[A-Za-z0-9_+/-]{1,64}$',
  '^[A-Za-z0-9+/]{40,100}={0,2}$',
  '^[-0-9A-Za-z*/,#? ]{9,100}$',
  '^[#@]?[A-Za-z0-9_-]{1,80}$',
  '^([1-9]|[1-9][0-9]|[1-4][0-9][0-9]|500)$',
  String.raw`^\S+( \S+){4}$`,
  String.raw`^(put|delete|\{[a-z_]+\})$`,
  '^[1-9][0-9]{3}-(0[1-9]|1[0-2])$',
  '^[A-Z]{3}$',
  '^[1-9][0-9]{0,8}$',
  '^[0-9]{1,12}([.][0-9]{1,26})?$',
  String.raw`^(replay|discard|\{[a-z_]+\})$`,
  '^[^/]+$',
  String.raw`^([A-Za-z0-9_]|\{[a-z][a-z0-9_]*\}){1,128}$`,
  String.raw`^[A-Za-z0-9_{}-]{1,128}(\.[A-Za-z0-9_{}]{1,128})?$`,
]

interface Found {
  file: string
  field: string
  pattern: string
}
const patternsIn = (file: string): Found[] => {
  const found: Found[] = []
  const walk = (value: unknown, field: string): void => {
    if (Array.isArray(value))
      value.forEach((item) => {
        walk(item, field)
      })
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return
    const group = value as Record<string, unknown>
    const named = typeof group['name'] === 'string' && group['schema'] !== undefined ? group['name'] : field
    if (typeof group['pattern'] === 'string')
      found.push({ file: relative(root, file), field: named, pattern: group['pattern'] })
    for (const [key, inner] of Object.entries(group))
      walk(inner, ['schema', 'items', 'propertyNames', 'additionalProperties'].includes(key) ? named : key)
  }
  const text = readFileSync(file, 'utf8')
  walk(file.endsWith('.json') ? JSON.parse(text) : parse(text), '')
  return found
}

describe('names', () => {
  const files = ['schemas', 'ps_templates', 'configs'].flatMap((folder) =>
    filesBelow(join(root, folder), /\.(json|ya?ml)$/),
  )
  const found = files
    .filter((file) => !/\/schemas\/[a-z_0-9]+\.json$/.test(file) || file.includes('/schemas/pipeline'))
    .flatMap(patternsIn)

  it('are written in schemas, templates and pipelines as in names.ts', () => {
    expect(found.length).to.be.greaterThan(60)
    for (const { file, field, pattern } of found) {
      const kind = kindOfField[field]
      if (kind !== undefined) expect(pattern.replace(/^\^|\$$/g, ''), `${file}: ${field}`).to.equal(namePart(kind))
    }
  })
  it('have no form that names.ts does not know', () => {
    const known = new Set([...Object.values(namePatterns), ...notNames])
    const kinds = Object.keys(namePatterns) as NameKind[]
    const unknown = found.filter(
      ({ pattern }) => !known.has(pattern) && !kinds.some((kind) => namePart(kind) === pattern),
    )
    expect(unknown).to.deep.equal([])
  })
  it('have their settings checked alike', () => {
    const { $defs } = JSON.parse(readFileSync(join(root, 'libs/service/env.schema.json'), 'utf8')) as {
      $defs: Record<string, { pattern?: string }>
    }
    expect($defs['GCP_PROJECT_ID']?.pattern).to.equal(namePatterns.project_id)
    expect($defs['KMS_KEY_RING']?.pattern).to.contain(`projects/${namePart('project_id')}/`)
  })
  it('have no second home in the code', () => {
    const copies = [
      '[a-z][a-z0-9_]{2,49}',
      '[a-z][a-z0-9_]{1,49}',
      '[a-z][a-z0-9_]{0,63}',
      '[a-z][a-z0-9_-]{0,63}',
      'r_[a-z2-7]{26}',
      '[a-z][a-z0-9-]{4,28}[a-z0-9]',
      '[A-Za-z_][A-Za-z0-9_]{0,299}',
      '[a-z][A-Za-z0-9_:]{0,79}',
    ]
    const faults = ['libs', 'services', 'tools']
      .flatMap((folder) => filesBelow(join(root, folder), /\.ts$/))
      .filter((file) => !/\/test\/|\.test\.ts$|names\.ts$/.test(file))
      .flatMap((file) => {
        const text = readFileSync(file, 'utf8')
        return copies.filter((copy) => text.includes(copy)).map((copy) => `${relative(root, file)}: ${copy}`)
      })
    expect(faults).to.deep.equal([])
  })
  it('of mail servers are those that real addresses have', () => {
    for (const address of [
      'admin@acme.example',
      '_ops@acme.example',
      '+a@acme.example',
      'a.b+c_@sub.acme.example',
      'a@x-y.xn--p1ai',
      `${'a'.repeat(64)}@acme.example`,
    ])
      expect(isName('email', address), address).to.equal(true)
    for (const address of [
      'admin@localhost',
      'admin.@acme.example',
      '.admin@acme.example',
      'ad..min@acme.example',
      '-admin@acme.example',
      'a@x-.example',
      'a@-x.example',
      'a@acme..example',
      'a@10.0.0.1',
      'a@acme.example\n',
      `${'a'.repeat(65)}@acme.example`,
    ])
      expect(isName('email', address), address).to.equal(false)
  })
  it('of the platform are no tenant, whatever asks', () => {
    for (const name of [centralDataset, 'system', 'region_eu', 'pg_catalog', 'information_schema', 'ab', 'Acme', 7])
      expect(newTenantIdFault(name), String(name)).to.be.a('string')
    expect(newTenantIdFault('prices', ['prices'])).to.contain('is reserved')
    expect(newTenantIdFault('acme_corp', ['prices'])).to.equal(undefined)
  })
  it('of tables, views and pipelines fit their own rules', () => {
    for (const { table, dataset, columns } of Object.values(tables)) {
      expect([dataset, isName('table', table)]).to.deep.equal([centralDataset, true])
      for (const { name } of columns) expect(isName('column', name), `${table}.${name}`).to.equal(true)
    }
    for (const view of tenantViews) expect(views[view]).to.include('{tenant_id}')
    for (const pipeline of Object.values(systemPipelines)) {
      expect(isName('pipeline', pipeline)).to.equal(true)
      expect(readFileSync(join(root, 'configs', `${pipeline}.yml`), 'utf8')).to.contain('pipeline_id:')
    }
  })
  it('of subscriptions in the manifests are made of service and topic', () => {
    const made = new Set(
      serviceNames.flatMap((service) =>
        topics.flatMap((topic) => [subscriptionName(service, topic), deadLetterName(subscriptionName(service, topic))]),
      ),
    )
    const text = readFileSync(join(root, 'k8s/platform/base/subscriptions.yaml'), 'utf8')
    const named = [...text.matchAll(/^ {2}name: ["']?([a-z.-]+)["']?$/gm)].map(([, name]) => String(name))
    expect(named.length).to.be.greaterThan(10)
    expect(named.filter((name) => !made.has(name))).to.deep.equal([])
  })
})

/** What is in the repository works: every pipeline, every template with its example, its columns and its README. */
import { outline } from '@convergence/googlesql'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect } from 'chai'
import { schemasFolder, sourceKinds, type Column } from '@convergence/contracts'
import { checkFiles, configsFolder, filesBelow, showFaults, templatesFolder } from '@convergence/pipeline'
import { parse } from 'yaml'

const configs = filesBelow(configsFolder(), (name) => name.endsWith('.yml'))
const examples = filesBelow(templatesFolder(), (name) => name === 'example.yml')
const templateConfigs = filesBelow(templatesFolder(), (name) => name === 'config.yml')
let made: ReturnType<typeof checkFiles> | undefined
/** One reading of everything. */
const all = () => (made ??= checkFiles({ files: [...configs, ...examples], outline }))
const faultsOf = (file: string) =>
  showFaults(all().faults.filter((fault) => fault.file === relative(process.cwd(), file)))
const read = (file: string) => readFileSync(file, 'utf8')

describe('pipelines of the repository', () => {
  for (const file of configs) {
    it(`${relative(configsFolder(), file)} is right and offers completion`, () => {
      expect(faultsOf(file)).to.deep.equal([])
      const [, schema = ''] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(read(file)) ?? []
      expect(join(dirname(file), schema)).to.equal(join(dirname(configsFolder()), 'schemas/pipeline.json'))
    })
  }
  for (const { provider, kind, pipeline: path, table } of sourceKinds) {
    it(`${path} loads sources ${provider} ${kind} and replaces its period of ${table}, so that loading it again never doubles it`, () => {
      const [step] = all().plans.get(path)?.steps ?? []
      const destination = step?.config['destination'] as Record<string, unknown>
      const schema_template = table === 'azure_cost_amortized' ? 'azure_cost_exports' : table
      expect(destination).to.include({ table, write_mode: 'truncate', schema_template })
      expect(destination['period']).to.be.an('object')
    })
  }
  it("hold no address of anybody: mails go to the tenant's own", () => {
    for (const file of configs)
      expect(read(file), relative(configsFolder(), file)).not.to.match(/[\w.+-]+@[\w-]+(\.[\w-]+)+/)
    for (const { pipeline: path } of sourceKinds) {
      const mail = all()
        .plans.get(path)
        ?.steps.find(({ notification }) => notification)
      expect(mail?.config['to_emails'], path).to.deep.equal(['{admin_email}'])
    }
  })
  it('gcp/cost/billing selects the columns of its table, in their order', () => {
    const step = all().plans.get('gcp/cost/billing')?.steps[0]
    const { query } = step?.config['source'] as { query: string }
    const selected = query
      .slice(query.indexOf('SELECT') + 6, query.indexOf('\nFROM'))
      .split(/,\n/)
      .map((item) => /(\w+)\s*$/.exec(item)?.[1])
    expect(selected).to.deep.equal(step?.columns?.map(({ name }) => name))
  })
})

describe('templates of the repository', () => {
  for (const file of templateConfigs) {
    const folder = dirname(file)
    const name = relative(templatesFolder(), folder).replaceAll('/', '.')
    it(`${name} is right, with an example that uses it and a README`, () => {
      expect(faultsOf(file)).to.deep.equal([])
      const example = join(folder, 'example.yml')
      expect(faultsOf(example)).to.deep.equal([])
      expect((parse(read(example)) as { steps: { ps_type: string }[] }).steps.map(({ ps_type }) => ps_type)).to.include(
        name,
      )
      expect(read(join(folder, 'README.md')).split('\n')[0]).to.equal(`# ${name}`)
      for (const [, link = ''] of read(join(folder, 'README.md')).matchAll(/\]\(([^)]+)\)/g))
        expect(existsSync(join(folder, link)), link).to.equal(true)
    })
  }
  it('are known to editors as the kinds of step', () => {
    const schema = JSON.parse(read(join(schemasFolder, 'pipeline.json'))) as {
      definitions: { step: { properties: { ps_type: { examples: string[] } } } }
    }
    expect(schema.definitions.step.properties.ps_type.examples).to.deep.equal([...all().templates.keys()].sort())
  })
  it('run where what they write is owned', () => {
    const hosts = [...all().templates.values()].map(({ ps_type, host }) => `${ps_type} ${host}`)
    expect(
      hosts
        .filter((line) => /^(gcp|aws|azure|custom)\.|^setup\.(initial|dataset) /.test(line))
        .every((line) => line.endsWith(' executor')),
    ).to.equal(true)
    expect(
      hosts.filter((line) => line.startsWith('setup.tenants.')).every((line) => line.endsWith(' tenant')),
    ).to.equal(true)
    expect(hosts.filter((line) => line.startsWith('scheduler.')).every((line) => line.endsWith(' scheduler'))).to.equal(
      true,
    )
    expect(
      hosts.filter((line) => line.startsWith('notify_systems.')).every((line) => line.endsWith(' notifier')),
    ).to.equal(true)
  })
  it('describe every field and every column', () => {
    const missing: string[] = []
    const look = (
      schema: { description?: string; properties?: object; items?: object; $ref?: string },
      at: string,
    ): void => {
      for (const [name, field] of Object.entries(schema.properties ?? {}) as [
        string,
        { description?: string; properties?: object; items?: object },
      ][]) {
        if (field.description === undefined) missing.push(`${at}.${name}`)
        look(field, `${at}.${name}`)
        if (field.items !== undefined) look(field.items, `${at}.${name}[]`)
      }
    }
    for (const { ps_type, step, schemas } of all().templates.values()) {
      look(step, ps_type)
      for (const [schema, columns] of schemas)
        for (const { name, description } of columns as Column[])
          if (description === undefined) missing.push(`${schema}.${name}`)
    }
    expect(missing.filter((name) => !/service_info[12]$/.test(name))).to.deep.equal([])
  })
  it('hold money and amounts as exact decimals', () => {
    const { templates } = all()
    const inexact = (ps_type: string, schema: string) =>
      (templates.get(ps_type)?.schemas.get(schema) ?? [])
        .filter(({ type }) => type === 'FLOAT64')
        .map(({ name }) => name)
    expect(inexact('gcp.bq_etl', 'gcp_cost_billing')).to.deep.equal([])
    expect(inexact('any.focus_loader', 'any_cost_focus')).to.deep.equal([])
    expect(inexact('aws.s3_data_loader', 'aws_cost_cur')).to.deep.equal([])
    expect(inexact('azure.blob_data_loader', 'azure_cost_exports')).to.deep.equal([])
  })
})

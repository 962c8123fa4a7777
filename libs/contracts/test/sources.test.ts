import { isClaim, sourceFaults, sourceKinds, sourcePlace, sourceValues, sourcesOverlap } from '@convergence/contracts'
import type { SourceSettings } from '@convergence/contracts'
import { expect } from 'chai'

const gcp = (more: object = {}): SourceSettings => ({
  provider: 'gcp',
  kind: 'detailed',
  table: 'acme-billing-1.billing.export',
  ...more,
})
const aws = (more: object = {}): SourceSettings => ({
  provider: 'aws',
  kind: 'cur2',
  bucket: 'acme-cur',
  prefix: 'exports',
  report_name: 'daily',
  ...more,
})
const azure = (more: object = {}): SourceSettings => ({
  provider: 'azure',
  kind: 'actual',
  container: 'exports',
  prefix: 'cost',
  export_name: 'daily',
  ...more,
})

describe('sources', () => {
  it('takes the settings of each provider, with every field', () => {
    for (const good of [
      gcp(),
      gcp({ projects: 'all', unassigned: true, billing_account_id: '01AB23-45CD67-89EF01', credential: 'google' }),
      gcp({ projects: ['acme-prod-4711', 'acme-dev-12'] }),
      aws({ region: 'eu-central-1', credential: 'aws_role' }),
      aws({ prefix: '', primary: true }),
      azure({ account: 'acmecost' }),
      { provider: 'any', kind: 'focus', store: 'gcs', bucket: 'acme_focus', prefix: 'llm' },
    ])
      expect(sourceFaults(good), JSON.stringify(good)).to.deep.equal([])
  })
  it('says all that is wrong at once, with what was expected and what came', () => {
    const faults = sourceFaults({
      provider: 'aws',
      kind: 'cur3',
      bucket: 'acme_corp-cur',
      prefix: 'a/../b',
      month: '2025-01',
    })
    expect(faults).to.have.lengthOf(5)
    expect(faults.join('\n'))
      .to.include('month: no field of provider aws')
      .and.include('bucket: expected a bucket name as AWS allows it: 3 to 63 of a-z, 0-9, . and -, got "acme_corp-cur"')
      .and.include('report_name: is missing; expected the name of the report or export')
  })
  it('lets a source of cost alone say primary', () => {
    expect(sourceFaults(gcp({ kind: 'pricing', primary: true }))).to.deep.equal([
      'primary: expected a kind that tells of cost, got "pricing"; leave it out',
    ])
    expect(sourceFaults(azure({ primary: false }))).to.deep.equal(['primary: expected true, or nothing, got false'])
  })
  it('refuses what is no object, and an unknown provider by its name', () => {
    for (const bad of [null, undefined, 'aws', [], 7]) expect(sourceFaults(bad)).to.have.lengthOf(1)
    expect(sourceFaults({ provider: 'oracle' })[0]).to.equal('provider: expected gcp, aws, azure, any, got "oracle"')
  })
  it('lets two sources of one table meet only where their rows could', () => {
    const meet = (a: object, b: object) => sourcesOverlap(gcp(a), gcp(b))
    expect(meet({}, {})).to.equal(true)
    expect(meet({ projects: ['acme-prod-4711'] }, { projects: ['acme-prod-4711', 'other-7777'] })).to.equal(true)
    expect(meet({ projects: ['acme-prod-4711'] }, { projects: ['other-7777'] })).to.equal(false)
    expect(meet({ projects: 'all' }, { projects: ['other-7777'] })).to.equal(true)
    expect(meet({ projects: 'all' }, { unassigned: true })).to.equal(false)
    expect(meet({ projects: 'all', unassigned: true }, { unassigned: true })).to.equal(true)
    expect(meet({ table: 'acme-billing-1.billing.Export' }, {})).to.equal(true)
    expect(meet({ table: 'acme-billing-1.billing.other' }, {})).to.equal(false)
    expect(
      meet({ billing_account_id: '01AB23-45CD67-89EF01' }, { billing_account_id: '01AB23-45CD67-89EF02' }),
    ).to.equal(false)
  })
  it('lets folders meet where one is the other or lies in it, whatever slashes are written', () => {
    expect(sourcesOverlap(aws(), aws({ prefix: '/exports/' }))).to.equal(true)
    expect(sourcesOverlap(aws(), aws({ report_name: 'daily2' }))).to.equal(false)
    expect(sourcesOverlap(aws({ prefix: '', report_name: 'exports' }), aws())).to.equal(true)
    expect(sourcesOverlap(aws(), aws({ bucket: 'other-cur' }))).to.equal(false)
    // Without an account it may be in any.
    expect(sourcesOverlap(azure(), azure({ account: 'acmecost' }))).to.equal(true)
    expect(sourcesOverlap(azure({ account: 'other' }), azure({ account: 'acmecost' }))).to.equal(false)
    const any = { provider: 'any', kind: 'focus', store: 's3', bucket: 'acme-cur', prefix: '' } as SourceSettings
    expect(sourcesOverlap(any, aws())).to.equal(true)
    expect(sourcesOverlap(gcp(), aws())).to.equal(false)
  })
  it('is a claim without a credential of its own', () => {
    expect(isClaim(aws())).to.equal(true)
    expect(isClaim(aws({ credential: 'aws' }))).to.equal(false)
  })
  it('gives a pipeline every field, null where the source does not say it', () => {
    const values = sourceValues({ ...gcp({ projects: ['a-project-1', 'b-project-2'] }), name: 'main' })
    expect(values).to.include({ name: 'main', projects: 'a-project-1,b-project-2', all_projects: false, bucket: null })
    expect(sourceValues({ ...gcp(), name: 'main' })).to.include({ projects: '', all_projects: true })
  })
  it('tells where it is without the slashes that mean nothing', () => {
    expect(sourceValues({ ...aws({ prefix: '/cur//x/' }), name: 'payer' })).to.include({
      prefix: 'cur/x',
      place: 's3://acme-cur/cur/x/daily',
    })
    expect(sourcePlace(aws({ prefix: '' }))).to.equal('s3://acme-cur/daily')
    expect(sourcePlace(azure({ account: 'acmecost' }))).to.equal('azure://exports/cost/daily')
    expect(sourcePlace(gcp())).to.equal('acme-billing-1.billing.export')
  })
  it('names each kind once', () => {
    const names = sourceKinds.map(({ provider, kind }) => `${provider}/${kind}`)
    expect(new Set(names).size).to.equal(names.length)
  })
})

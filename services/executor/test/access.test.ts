import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBuckets } from '@convergence/local-objects'
import { openStoreFront } from '@convergence/local-objects/front'
import type { Access } from '@convergence/objects'
import type { Row } from '@convergence/warehouse'
import { expect } from 'chai'
import { assertSource, openAccess, withAccess, type CredentialUse } from '../src/exports/access.ts'
import { openObjects } from '../src/objects.ts'
import { errorOf, makeRun, makeStep } from './fakes.ts'

/** The access that a stored secret gives. `opened`: what was asked of the door to secrets. */
const accessTo = async (stored: Row & { plain: string }, use: Partial<CredentialUse> = {}, opened: string[][] = []) => {
  const { plain, ...row } = stored
  const accessOf = openAccess({
    warehouse: { query: () => Promise.resolve([{ sealed: 'v1.sealed', version: 3, external_id: null, ...row }]) },
    secrets: {
      open: (...asked) => {
        opened.push(asked)
        return Promise.resolve(plain)
      },
    },
  })
  return accessOf('acme_corp', { store: 's3', credential: 'main', ...use })
}
const aws = (fields: object, more: Row = {}) => ({ provider: 'aws', plain: JSON.stringify(fields), ...more })
const azure = (fields: object) => ({ provider: 'azure', plain: JSON.stringify(fields) })

describe("a source's credential", () => {
  it('is none where the source names none, and nothing is read', async () => {
    const accessOf = openAccess({ warehouse: { query: () => Promise.reject(new Error('was read')) } })
    for (const credential of [undefined, null, ''])
      expect(await accessOf('acme_corp', { store: 's3', credential })).to.deep.equal({})
  })
  it('is opened under the name of its row, tenant and version', async () => {
    const opened: string[][] = []
    await accessTo(aws({ access_key_id: 'AKIA1', secret_access_key: 's' }), {}, opened)
    expect(opened).to.deep.equal([['tenant-credentials', 'v1.sealed', 'tenant_cloud_credentials|acme_corp|main|3']])
  })
  it('is a key of AWS, or a role with the external id that the platform made', async () => {
    expect(
      await accessTo(aws({ access_key_id: 'AKIA1', secret_access_key: 's' }), { region: 'eu-central-1' }),
    ).to.deep.equal({
      credential: { store: 's3', region: 'eu-central-1', access_key_id: 'AKIA1', secret_access_key: 's' },
    })
    const role_arn = 'arn:aws:iam::123456789012:role/exports'
    expect(await accessTo(aws({ role_arn }, { external_id: 'cvg-1' }))).to.deep.equal({
      credential: { store: 's3', role_arn, external_id: 'cvg-1' },
    })
  })
  it('is a signature, a connection string or an application of Azure, also one of an earlier version', async () => {
    const store = 'azure'
    const sas_url = 'https://acme.blob.core.windows.net/?sv=1'
    expect(await accessTo(azure({ sas_url }), { store })).to.deep.equal({ credential: { store, sas_url } })
    expect(await accessTo({ provider: 'azure', plain: sas_url }, { store })).to.deep.equal({
      credential: { store, sas_url },
    })
    const connection_string = 'AccountName=acme;AccountKey=a2V5'
    expect(await accessTo({ provider: 'azure', plain: connection_string }, { store })).to.deep.equal({
      credential: { store, connection_string },
    })
    const application = { client_id: 'c', tenant_id: 't' }
    expect(await accessTo(azure(application), { store, account: 'acme' })).to.deep.equal({
      credential: { store, account: 'acme', ...application },
    })
    const { code, message } = await errorOf(accessTo(azure(application), { store }))
    expect(code).to.equal('CONFIG_INVALID')
    expect(message).to.include('give it "account"')
  })
  it('is a service account of Google, which is taken on', async () => {
    const service_account = 'reader@acme-prod-4711.iam.gserviceaccount.com'
    const stored = { provider: 'gcp', plain: JSON.stringify({ service_account }) }
    expect(await accessTo(stored, { store: 'gcs' })).to.deep.equal({ credential: { store: 'gcs', service_account } })
  })
  it('is refused by name where it is of another provider, lacks a field or is not there, and its secret is not told', async () => {
    const other = await errorOf(accessTo(azure({ sas_url: 'https://secret' })))
    expect(other.message).to.equal(
      'credential main of tenant acme_corp: expected one of provider aws, got one of azure',
    )
    const lacking = await errorOf(accessTo(aws({ access_key_id: 'AKIASECRET' })))
    expect(lacking.code).to.equal('CREDENTIAL_UNREADABLE')
    expect(lacking.message)
      .to.include('expected the fields of aws, got access_key_id; store it again: PUT /api/v1/tenants/acme_corp/')
      .and.not.include('AKIASECRET')
    const gone = openAccess({ warehouse: { query: () => Promise.resolve([]) } })
    expect((await errorOf(gone('acme_corp', { store: 's3', credential: 'main' }))).message).to.include('there is none')
  })
})

describe('a step of a source', () => {
  const settings = { kind: 'cur', bucket: 'acme-cur', prefix: '/cur/', report_name: 'daily' }
  const warehouse = (rows: Row[]) => ({ query: () => Promise.resolve(rows) })
  const stored = warehouse([{ name: 'payer', provider: 'aws', settings }])
  const step = makeStep('load-payer', { for_each: 'load' })
  const context = { run: makeRun({ steps: [step] }), step }
  const said = { bucket: 'acme-cur', prefix: 'cur', report_name: 'daily', region: null, credential: undefined }

  it('goes on while the source says what it said when the run was asked for', async () => {
    await assertSource(stored, context, 'payer', said)
  })
  it('reads nothing of a source that was removed or changed meanwhile', async () => {
    const gone = await errorOf(assertSource(warehouse([]), context, 'payer', said))
    expect([gone.code, gone.message.includes('was removed since')]).to.deep.equal(['SOURCE_UNKNOWN', true])
    for (const other of [{ bucket: 'other-cur' }, { prefix: 'x' }, { credential: 'aws' }]) {
      const { message } = await errorOf(assertSource(stored, context, 'payer', { ...said, ...other }))
      expect(message, JSON.stringify(other)).to.include('was changed since')
    }
  })
  it('is not asked about where it is no item of sources', async () => {
    const plain = makeStep('load')
    await assertSource(warehouse([]), { ...context, step: plain }, 'payer', said)
    await assertSource(warehouse([]), context, undefined, said)
  })
})

describe('the object stores of a laptop', () => {
  const inFolders = async (use: (folder: string, elsewhere: string) => Promise<void>) => {
    const root = mkdtempSync(join(tmpdir(), 'convergence-objects-'))
    try {
      for (const name of ['here', 'there']) {
        mkdirSync(join(root, name, 's3/acme-cur'), { recursive: true })
        writeFileSync(join(root, name, 's3/acme-cur/from'), name)
      }
      await use(join(root, 'here'), join(root, 'there'))
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }
  const log = { warn: () => undefined }
  const key: Access = {
    credential: { store: 's3', region: 'eu-central-1', access_key_id: 'AKIA1', secret_access_key: 's' },
  }

  it("are its folders, but for what a tenant's credential opens at the vendor's address", () =>
    inFolders(async (folder, elsewhere) => {
      const buckets = openBuckets({ folder: elsewhere })
      const front = await openStoreFront({ store: 's3', objects: buckets, port: 0 })
      const settings = { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${front.port}` }
      const content = async (given: Readonly<Record<string, string>>, access: Access) => {
        const objects = await openObjects({ settings: given, folder, log })
        try {
          const keys = []
          const bound = withAccess(objects, access)
          for await (const object of bound.list('s3', 'acme-cur', '')) keys.push(object.key)
          expect(keys).to.deep.equal(['from'])
          return Buffer.concat(await (await bound.read('s3', 'acme-cur', 'from')).toArray()).toString()
        } finally {
          await objects.close()
        }
      }
      try {
        expect(await content({}, {})).to.equal('here')
        expect(await content(settings, key)).to.equal('there')
        // An address that is set stands for the store, whoever reads.
        process.env['AWS_ACCESS_KEY_ID'] ??= 'AKIATEST'
        process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test'
        expect(await content(settings, {})).to.equal('there')
      } finally {
        await front.close()
        await buckets.close()
      }
    }))
})

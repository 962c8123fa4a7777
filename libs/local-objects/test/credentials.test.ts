/** Objects read by a credential that comes with the call: by the vendors' clients, against fronts on loopback. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { ObjectCredential, ObjectInfo, Objects, Store } from '@convergence/objects'
import { openClouds, type CloudsOptions } from '@convergence/objects/clouds'
import { listed } from '@convergence/objects/conformance'
import { openStoreFront, type StoreFrontOptions } from '../src/front.ts'

const secret = 'canary/secret+key=='
const account = '123456789012'

/** One bucket of one object, whatever its key: folders cannot hold every key that a store can. */
const oneObject = (key: string, content: string): Objects => {
  const found: ObjectInfo = { key, size_bytes: content.length, etag: 'e1', modified_at: '2025-11-02T00:00:00.000Z' }
  return {
    list: async function* (_store, _bucket, prefix) {
      if (key.startsWith(prefix)) yield await Promise.resolve(found)
    },
    read: () => Promise.resolve(Readable.from([Buffer.from(content)], { objectMode: false })),
    close: () => Promise.resolve(),
  }
}
/** AWS STS as far as a role is taken on. */
const openSts = async () => {
  const asked: URLSearchParams[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const form = new URLSearchParams(body)
      asked.push(form)
      const fine = form.get('ExternalId') === 'ours-4711'
      response.writeHead(fine ? 200 : 403, { 'Content-Type': 'text/xml' })
      response.end(
        fine
          ? '<AssumeRoleResponse ' +
              `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIATEST</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
          : '<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform ' +
              'sts:AssumeRole</Message></Error></ErrorResponse>',
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    asked,
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}
const inStore = async (
  store: Store,
  body: (objects: Objects, sts: Awaited<ReturnType<typeof openSts>>) => Promise<void>,
  { key = 'cur/a.csv', ...more }: { key?: string } & Partial<StoreFrontOptions & Pick<CloudsOptions, 'now'>> = {},
) => {
  const { now, ...options } = more
  const front = await openStoreFront({ store, objects: oneObject(key, 'a,b\n1,2\n'), port: 0, ...options })
  const sts = await openSts()
  const objects = openClouds({
    endpoints: { s3: `http://127.0.0.1:${front.port}`, azure: `http://127.0.0.1:${front.port}/account` },
    sts_endpoint: `http://127.0.0.1:${sts.port}`,
    // Who takes on the role: this process.
    s3: { region: 'eu-west-1', credentials: { accessKeyId: 'AKIAOWN', secretAccessKey: secret } },
    pause_ms: 1,
    ...(now === undefined ? {} : { now }),
  })
  try {
    await body(objects, sts)
  } finally {
    await objects.close()
    await front.close()
    await sts.close()
  }
}
const textOf = async (objects: Objects, store: Store, key: string, credential: ObjectCredential) => {
  const chunks: Buffer[] = []
  for await (const chunk of await objects.read(store, 'reports', key, { credential })) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
const faultOf = (work: Promise<unknown>): Promise<AppError> =>
  work.then(
    () => {
      throw new Error('expected an error')
    },
    (error: unknown) => {
      if (error instanceof AppError) return error
      throw error
    },
  )

describe('objects by the credential of a call', function () {
  this.timeout(120_000)
  const role: ObjectCredential = {
    store: 's3',
    region: 'eu-central-1',
    role_arn: `arn:aws:iam::${account}:role/convergence`,
    external_id: 'ours-4711',
  }
  before(() => {
    process.env['AWS_ACCESS_KEY_ID'] = 'AKIAOWN'
    process.env['AWS_SECRET_ACCESS_KEY'] = secret
  })
  after(() => {
    Reflect.deleteProperty(process.env, 'AWS_ACCESS_KEY_ID')
    Reflect.deleteProperty(process.env, 'AWS_SECRET_ACCESS_KEY')
  })

  it('S3: a role is taken on with its external id, once for many calls, in the account of the role alone', async () => {
    await inStore(
      's3',
      async (objects, sts) => {
        expect(await textOf(objects, 's3', 'cur/a.csv', role)).to.equal('a,b\n1,2\n')
        expect(await listed(objects.list('s3', 'reports', 'cur/', { credential: role }))).to.have.length(1)
        expect(sts.asked.map((form) => [form.get('RoleArn'), form.get('ExternalId')])).to.deep.equal([
          [role.role_arn, 'ours-4711'],
        ])
        const fault = await faultOf(textOf(objects, 's3', 'cur/a.csv', { ...role, external_id: 'theirs' }))
        expect(fault.code).to.equal('SETTING_INVALID')
        expect(fault.message).to.contain('AccessDenied').and.not.contain('canary')
      },
      { owner: account },
    )
    await inStore(
      's3',
      async (objects) => {
        expect((await faultOf(textOf(objects, 's3', 'cur/a.csv', role))).code).to.equal('SETTING_INVALID')
      },
      { owner: '999999999999' },
    )
  })
  it('S3: a client lives an hour at most', async () => {
    let at = 0
    await inStore(
      's3',
      async (objects, sts) => {
        for (const minute of [0, 59, 61]) {
          at = minute * 60_000
          await textOf(objects, 's3', 'cur/a.csv', role)
        }
        expect(sts.asked).to.have.length(2)
      },
      { owner: account, now: () => at },
    )
  })
  it('S3: by an access key, also an object whose key begins with a slash', async () => {
    const credential: ObjectCredential = { store: 's3', access_key_id: 'AKIATEST', secret_access_key: secret }
    await inStore(
      's3',
      async (objects) => {
        expect(await textOf(objects, 's3', '/cur//a.csv', credential)).to.equal('a,b\n1,2\n')
        expect(await listed(objects.list('s3', 'reports', '/cur', { credential }))).to.have.length(1)
      },
      { key: '/cur//a.csv' },
    )
  })
  it('Azure: by a shared access signature and by a connection string, at the endpoint of the operator', async () => {
    const key = Buffer.from(secret).toString('base64')
    await inStore('azure', async (objects) => {
      for (const credential of [
        { store: 'azure', sas_url: 'https://acmeexports.blob.core.windows.net/?sv=2025-01-05&sig=canary' },
        { store: 'azure', sas_url: 'https://acmeexports.blob.core.windows.net/reports?sv=2025-01-05&sig=canary' },
        {
          store: 'azure',
          connection_string: `DefaultEndpointsProtocol=https;AccountName=acmeexports;AccountKey=${key};EndpointSuffix=core.windows.net`,
        },
        {
          store: 'azure',
          connection_string:
            'BlobEndpoint=https://acmeexports.blob.core.windows.net/;SharedAccessSignature=sv=2025-01-05&sig=canary',
        },
      ] as const)
        expect(await textOf(objects, 'azure', 'cur/a.csv', credential)).to.equal('a,b\n1,2\n')
    })
  })
  it("Azure: a credential reaches Azure's hosts alone, and none of its secret is in the refusal", async () => {
    await inStore('azure', async (objects) => {
      for (const credential of [
        { store: 'azure', sas_url: 'https://attacker.example/?sig=canary' },
        { store: 'azure', sas_url: 'http://acme.blob.core.windows.net/?sig=canary' },
        { store: 'azure', sas_url: 'https://acme.blob.core.windows.net.attacker.example/?sig=canary' },
        { store: 'azure', sas_url: 'https://acme.blob.core.windows.net:9050/?sig=canary' },
        { store: 'azure', connection_string: 'UseDevelopmentStorage=true' },
        { store: 'azure', connection_string: 'AccountName=acme;AccountKey=canary;EndpointSuffix=attacker.example' },
        {
          store: 'azure',
          connection_string: 'AccountName=acme;AccountKey=canary;BlobEndpoint=http://169.254.169.254/latest',
        },
        { store: 'azure', account: 'attacker.example/x', client_id: 'c', tenant_id: 't' },
      ] as const) {
        const fault = await faultOf(textOf(objects, 'azure', 'cur/a.csv', credential))
        expect([fault.code, fault.message.includes('canary')], fault.message).to.deep.equal(['SETTING_INVALID', false])
      }
    })
  })
  it('a credential of another store is refused', async () => {
    await inStore('azure', async (objects) => {
      expect((await faultOf(textOf(objects, 'azure', 'cur/a.csv', role))).code).to.equal('SETTING_INVALID')
    })
  })
})

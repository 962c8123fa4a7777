import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Server, ServerCredentials, credentials, loadPackageDefinition } from '@grpc/grpc-js'
import type { GrpcObject, ServerDuplexStream, ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { expect } from 'chai'
import { PassThroughClient } from 'google-auth-library'
import protobuf from 'protobufjs'
import 'protobufjs/ext/descriptor/index.js'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { openRows } from '../src/google/rows.ts'
import type { Rows } from '../src/google/rows.ts'

const require = createRequire(import.meta.url)
const protos = join(dirname(require.resolve('@google-cloud/bigquery-storage')), '../protos')
const gaxProtos = join(dirname(require.resolve('google-gax')), '../protos')

interface AppendRequest {
  write_stream: string
  proto_rows: { writer_schema?: { proto_descriptor: object }; rows: { serialized_rows: Buffer[] } }
}
/** The type of a row, by what protobufjs' extension makes of a descriptor; its names are in camel case. */
const typeOf = (descriptor: object): protobuf.Type => {
  const camel = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(camel)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value).map(([key, own]) => [
              key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
              camel(own),
            ]),
          )
        : value
  const extended = protobuf as unknown as {
    descriptor: { DescriptorProto: protobuf.Type }
    Type: { fromDescriptor(from: object): protobuf.Type }
  }
  return extended.Type.fromDescriptor(
    extended.descriptor.DescriptorProto.fromObject(camel(descriptor) as Record<string, unknown>),
  )
}
interface Received {
  stream: string
  rows: Record<string, unknown>[]
}
type Answer =
  | { error?: { code: number; message: string }; row_errors?: { index: number; code: string; message: string }[] }
  | undefined

/** A server of the Storage Write API that decodes what it is sent by the schema that it is sent. */
const setup = async (
  work: (world: {
    rows: Rows
    received: Received[]
    answer(how: (received: Received) => Answer): void
  }) => Promise<void>,
): Promise<void> => {
  const definition = loadPackageDefinition(
    loadSync('google/cloud/bigquery/storage/v1/storage.proto', {
      includeDirs: [protos, gaxProtos],
      keepCase: true,
      longs: String,
      defaults: false,
    }),
  )
  const at = ['google', 'cloud', 'bigquery', 'storage', 'v1'].reduce<GrpcObject>(
    (from, name) => from[name] as GrpcObject,
    definition,
  )
  const received: Received[] = []
  let how: (one: Received) => Answer = () => undefined
  const server = new Server()
  server.addService((at['BigQueryWrite'] as ServiceClientConstructor).service, {
    AppendRows: (stream: ServerDuplexStream<AppendRequest, object>) => {
      let type: protobuf.Type | undefined
      stream.on('data', (request: AppendRequest) => {
        const descriptor = request.proto_rows.writer_schema?.proto_descriptor
        if (descriptor !== undefined) type = typeOf(descriptor)
        const one: Received = {
          stream: request.write_stream,
          rows: request.proto_rows.rows.serialized_rows.map(
            (bytes) => type?.toObject(type.decode(bytes), { longs: String, bytes: String, arrays: false }) ?? {},
          ),
        }
        received.push(one)
        stream.write(how(one) ?? { append_result: {} })
      })
      stream.on('end', () => {
        stream.end()
      })
      stream.on('error', () => undefined)
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  const rows = openRows({
    project_id: 'p',
    dataset: 'tenants',
    unique: () => 'u',
    storage: {
      servicePath: '127.0.0.1',
      port,
      sslCreds: credentials.createInsecure(),
      authClient: new PassThroughClient() as never,
    },
  })
  try {
    await work({
      rows,
      received,
      answer: (other) => {
        how = other
      },
    })
  } finally {
    await rows.close()
    server.forceShutdown()
  }
}
const columns: Column[] = [
  { name: 'seq', type: 'INT64', mode: 'REQUIRED' },
  { name: 'big', type: 'INT64' },
  { name: 'event_id', type: 'STRING' },
  { name: 'at', type: 'TIMESTAMP' },
  { name: 'day', type: 'DATE' },
  { name: 'cost', type: 'NUMERIC' },
  { name: 'ratio', type: 'FLOAT64' },
  { name: 'ok', type: 'BOOL' },
  { name: 'tags', type: 'STRING', mode: 'REPEATED' },
  { name: 'body', type: 'JSON' },
  { name: 'sealed', type: 'BYTES' },
  { name: 'who', type: 'STRUCT', fields: [{ name: 'name', type: 'STRING' }] },
]

describe('Rows by the Storage Write API', function () {
  this.timeout(20_000)

  it('go to the default stream of the table, each value as the stream has it', () =>
    setup(async ({ rows, received }) => {
      await rows.append('log', columns, [
        {
          seq: 1,
          big: '9007199254740993',
          event_id: 'e1',
          at: '2025-11-19T01:02:03.000456Z',
          day: '2025-11-19',
          cost: '1.5',
          ratio: 0.5,
          ok: false,
          tags: ['a', 'b'],
          body: { x: [1, null] },
          sealed: 'YWI=',
          who: { name: 'n' },
        },
        { seq: 2, event_id: null },
      ])
      expect(received).to.deep.equal([
        {
          stream: 'projects/p/datasets/tenants/tables/log/streams/_default',
          rows: [
            {
              seq: '1',
              big: '9007199254740993',
              event_id: 'e1',
              at: '1763514123000456',
              day: 20411,
              cost: '1.5',
              ratio: 0.5,
              ok: false,
              tags: ['a', 'b'],
              body: '{"x":[1,null]}',
              sealed: 'YWI=',
              who: { name: 'n' },
            },
            { seq: '2' },
          ],
        },
      ])
    }))
  it('travel together when they come together, and are all answered', () =>
    setup(async ({ rows, received }) => {
      await Promise.all(Array.from({ length: 1200 }, (_, seq) => rows.append('log', columns, [{ seq }])))
      expect(received.reduce((sum, one) => sum + one.rows.length, 0)).to.equal(1200)
      expect(received.length).to.be.lessThan(20)
    }))
  it("are answered apart when one caller's row is refused", () =>
    setup(async ({ rows, answer }) => {
      answer(({ rows: all }) =>
        all.some(({ seq }) => seq === '13')
          ? {
              error: { code: 3, message: 'Errors found while processing rows.' },
              row_errors: [{ index: 0, code: 'FIELDS_ERROR', message: 'bad cost' }],
            }
          : undefined,
      )
      const ends = await Promise.allSettled([12, 13, 14].map((seq) => rows.append('log', columns, [{ seq }])))
      expect(ends.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled'])
      const [, refused] = ends
      expect(refused?.status === 'rejected' ? refused.reason : undefined)
        .to.be.instanceOf(AppError)
        .and.include({ code: 'QUERY_INVALID', message: 'append rows to tenants.log: FIELDS_ERROR: bad cost' })
    }))
  it('follow a table whose columns have grown', () =>
    setup(async ({ rows, received }) => {
      await rows.append('log', columns, [{ seq: 1 }])
      await rows.append('log', [...columns, { name: 'extra', type: 'STRING' }], [{ seq: 2, extra: 'x' }])
      expect(received.map(({ rows: all }) => all)).to.deep.equal([[{ seq: '1' }], [{ seq: '2', extra: 'x' }]])
    }))
  const statuses: [number, string][] = [
    [5, 'TABLE_NOT_FOUND'],
    [7, 'FORBIDDEN'],
    [8, 'UNAVAILABLE'],
    [9, 'QUERY_INVALID'],
  ]
  for (const [code, is] of statuses) {
    it(`fail as ${is} when the stream says ${code}`, () =>
      setup(async ({ rows, answer }) => {
        answer(() => ({ error: { code, message: 'no' } }))
        const fault = await rows.append('log', columns, [{ seq: 1 }]).then(
          () => undefined,
          (error: unknown) => error,
        )
        expect(fault).to.be.instanceOf(AppError).with.property('code', is)
      }))
  }
})

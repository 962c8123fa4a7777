/**
 * What the gRPC fronts share: Google's own protocol definitions, taken from the client packages, a server on loopback,
 * and our errors as
 * Google words them. A front translates; it decides nothing.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import { AppError, type ErrorCode } from '@convergence/contracts'

const require = createRequire(import.meta.url)

/** How messages look to a front: names in camelCase, 64-bit numbers and enums as text, what is missing filled in. */
const shape: protobuf.IConversionOptions = { longs: String, enums: String, defaults: true, oneofs: true }

const methodOf = (path: string, method: protobuf.Method): grpc.MethodDefinition<object, object> => {
  method.resolve()
  const { name, resolvedRequestType, resolvedResponseType, requestStream, responseStream } = method
  if (resolvedRequestType === null || resolvedResponseType === null) throw new Error(`${path} has no types`)
  const serialize = (type: protobuf.Type) => (value: object) =>
    Buffer.from(type.encode(type.fromObject(value as Record<string, unknown>)).finish())
  const deserialize = (type: protobuf.Type) => (bytes: Buffer) => type.toObject(type.decode(bytes), shape)
  return {
    path: `${path}/${name}`,
    originalName: `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`,
    requestStream: requestStream === true,
    responseStream: responseStream === true,
    requestSerialize: serialize(resolvedRequestType),
    requestDeserialize: deserialize(resolvedRequestType),
    responseSerialize: serialize(resolvedResponseType),
    responseDeserialize: deserialize(resolvedResponseType),
  }
}

/**
 * The services of a client package such as `@google-cloud/pubsub`, by whole name. Taken from the package's parsed
 * definitions: to parse its .proto files and make descriptors of them, as @grpc/proto-loader does, takes four times as
 * long, at each start.
 */
export const loadServices = (client: string): ((service: string) => grpc.ServiceDefinition) => {
  const folder = dirname(require.resolve(`${client}/package.json`))
  const root = protobuf.Root.fromJSON(
    JSON.parse(readFileSync(join(folder, 'build/protos/protos.json'), 'utf8')) as protobuf.INamespace,
  )
  return (service) => {
    const { fullName, methodsArray } = root.lookupService(service)
    return Object.fromEntries(
      methodsArray.map((method) => [method.name, methodOf(`/${fullName.replace(/^\./, '')}`, method)]),
    )
  }
}

const statuses: Partial<Record<ErrorCode, grpc.status>> = {
  NOT_FOUND: grpc.status.NOT_FOUND,
  CONFLICT: grpc.status.ALREADY_EXISTS,
  BODY_INVALID: grpc.status.INVALID_ARGUMENT,
  SETTING_INVALID: grpc.status.FAILED_PRECONDITION,
  UNAVAILABLE: grpc.status.UNAVAILABLE,
  DISK_FULL: grpc.status.RESOURCE_EXHAUSTED,
  CREDENTIAL_UNREADABLE: grpc.status.INVALID_ARGUMENT,
  FORBIDDEN: grpc.status.PERMISSION_DENIED,
}
/** A status that a front gives by itself. */
export class StatusError extends Error implements Partial<grpc.StatusObject> {
  readonly code: grpc.status
  readonly metadata: grpc.Metadata
  constructor(code: grpc.status, message: string, metadata = new grpc.Metadata()) {
    super(message)
    this.code = code
    this.metadata = metadata
  }
}
export const invalid = (message: string): StatusError => new StatusError(grpc.status.INVALID_ARGUMENT, message)
export const unsupported = (what: string): StatusError =>
  new StatusError(grpc.status.UNIMPLEMENTED, `${what} is not there in the local cloud; docs/LOCAL.md lists what is`)

/** What goes back to the caller: our sentence, never a stack. */
export const statusOf = (error: unknown): { code: grpc.status; details: string; metadata: grpc.Metadata } => {
  if (error instanceof StatusError) return { code: error.code, details: error.message, metadata: error.metadata }
  if (error instanceof AppError)
    return { code: statuses[error.code] ?? grpc.status.INTERNAL, details: error.message, metadata: new grpc.Metadata() }
  return {
    code: grpc.status.INTERNAL,
    details: 'the local cloud failed; its log says more',
    metadata: new grpc.Metadata(),
  }
}

/** A method that takes one request and gives one answer. */
export const unary =
  <Request, Answer>(
    log: Pick<FrontLog, 'error'>,
    name: string,
    work: (request: Request, call: grpc.ServerUnaryCall<Request, Answer>) => Promise<Answer> | Answer,
  ): grpc.handleUnaryCall<Request, Answer> =>
  (call, done) => {
    Promise.resolve()
      .then(() => work(call.request, call))
      .then(
        (answer) => {
          done(null, answer)
        },
        (error: unknown) => {
          if (!(error instanceof AppError) && !(error instanceof StatusError))
            log.error(
              { method: name, error: error instanceof Error ? `${error.name}: ${error.message}` : typeof error },
              'a request failed',
            )
          done(statusOf(error))
        },
      )
  }

export interface FrontLog {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const largestMessageBytes = 20 * 1024 * 1024
/** In hours, for a number beyond what follows. */
const longestDeadline = '500H'
/** Milliseconds of a unit of grpc-timeout. */
const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }
/**
 * A deadline beyond 24 days as 500 hours. The server reads it into 32 bits of milliseconds, so that a request with more
 * time than that, as Python's client
 * sends with an ordering key, would be over at once.
 */
export const boundDeadline = (header: string): string => {
  const [, count, unit] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? []
  return count !== undefined && Number(count) * (unitMs[unit ?? ''] ?? 0) > 500 * 3_600_000 ? longestDeadline : header
}
export const newServer = (): grpc.Server => {
  const server = new grpc.Server({
    'grpc.max_receive_message_length': largestMessageBytes,
    'grpc.max_send_message_length': largestMessageBytes,
    // One connection lives as long as its client: pings keep what is between from closing it.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.http2.max_pings_without_data': 0,
  })
  // No interceptor comes before the deadline is read; both of these take a stream with its headers.
  for (const name of ['_streamHandler', '_channelzHandler']) {
    const own: unknown = Reflect.get(server, name)
    if (typeof own !== 'function') continue
    Reflect.set(server, name, (interceptors: unknown, stream: unknown, headers: Record<string, unknown>): unknown => {
      const deadline = headers['grpc-timeout']
      if (typeof deadline === 'string') headers['grpc-timeout'] = boundDeadline(deadline)
      return (own as (...given: unknown[]) => unknown).call(server, interceptors, stream, headers)
    })
  }
  return server
}
const loopback = /^(127(\.\d{1,3}){3}|localhost|\[?::1\]?)$/i
export const isLoopback = (host: string): boolean => loopback.test(host)
/**
 * Nobody is asked who he is, so an address that others reach is told in the log; it is only there when the operator
 * asked for it.
 */
export const warnOfReach = (
  log: Pick<FrontLog, 'warn'> | undefined,
  what: string,
  host: string,
  port: number,
): void => {
  if (!isLoopback(host))
    log?.warn(
      { host, port },
      `${what} answers without authentication on ${host}:${port}, as WIRE_HOST says: only a network that nobody else reaches is fit for that`,
    )
}
/** A fault of listening in one sentence. `setting` is the variable that names the port. */
export const cannotListen = (host: string, port: number, setting: string, cause: unknown): AppError => {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const because = (why: string) => new AppError('SETTING_INVALID', why, { cause })
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return because(`${host} is no address of this machine; choose another with WIRE_HOST`)
  if (code === 'EACCES')
    return because(`port ${port} of ${host} is not allowed to this user; choose another with ${setting}`)
  return because(
    `port ${port} of ${host} is in use; choose another with ${setting}, or turn this front off with ${setting}=off`,
  )
}
/**
 * Throws what cannotListen says. A port that is taken is found out before gRPC tries it, which writes lines of its own
 * on the console.
 */
export const listen = async (server: grpc.Server, host: string, port: number, setting: string): Promise<number> => {
  if (port !== 0) {
    await new Promise<void>((resolve, reject) => {
      const probe = createServer()
      probe.once('error', (error) => {
        reject(cannotListen(host, port, setting, error))
      })
      probe.listen(port, host, () => {
        probe.close(() => {
          resolve()
        })
      })
    })
  }
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(cannotListen(host, port, setting, error))
    })
  })
}
/** Answers what is under way, then lets go of the port. */
export const shut = (server: grpc.Server): Promise<void> =>
  new Promise((resolve) => {
    const late = setTimeout(() => {
      server.forceShutdown()
      resolve()
    }, 2_000)
    server.tryShutdown(() => {
      clearTimeout(late)
      resolve()
    })
  })

// google.rpc.Status with one ErrorInfo: the part of both that is used here (field numbers from
// google/rpc/{status,error_details}.proto).
const { root } = protobuf.parse(`syntax = "proto3"; package google.rpc;
message Any { string type_url = 1; bytes value = 2; }
message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }`)
const [Status, ErrorInfo] = [root.lookupType('google.rpc.Status'), root.lookupType('google.rpc.ErrorInfo')]
/** A status with an ErrorInfo in `grpc-status-details-bin`, which is where Google's clients look for it. */
export const withErrorInfo = (
  code: grpc.status,
  message: string,
  info: { reason: string; domain: string; metadata: Readonly<Record<string, string>> },
): StatusError => {
  const value = ErrorInfo.encode(ErrorInfo.create({ ...info })).finish()
  const details = Status.encode(
    Status.create({ code, message, details: [{ typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value }] }),
  ).finish()
  const metadata = new grpc.Metadata()
  metadata.set('grpc-status-details-bin', Buffer.from(details))
  return new StatusError(code, message, metadata)
}

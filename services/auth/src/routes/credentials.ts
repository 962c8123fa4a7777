import {
  AppError,
  credentialFaults,
  credentialForms,
  credentialProviders,
  namePatterns,
  type CredentialFields,
  type CredentialProvider,
} from '@convergence/contracts'
import { decideAnew } from '@convergence/service/versions'
import type { RouteContext } from '../context.ts'
import type { Field } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import { notFound, type Answer, type Call, type Route } from '../route.ts'
import type { CredentialRow } from '../store/settings.ts'

const isProvider = (value: unknown): value is CredentialProvider => credentialProviders.some((known) => known === value)
/** What the notifier opens, or the executor. */
const purposeOf = (provider: CredentialProvider) =>
  provider === 'slack' || provider === 'smtp' || provider === 'webhook' ? 'notify-targets' : 'tenant-credentials'

// ---- what is stored

interface Wanted {
  name: string
  provider: CredentialProvider
  fields: CredentialFields
}
const refuse = (faults: readonly string[]): never => {
  throw new AppError('BODY_INVALID', `body: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`, { faults })
}

const wantedOf = (name: string, body: Readonly<Record<string, unknown>>): Wanted => {
  if (Object.hasOwn(body, 'credential')) return wantedAsText(name, body)
  const { provider = isProvider(name) ? name : undefined, ...fields } = body
  if (!isProvider(provider)) {
    const got = typeof provider === 'string' ? JSON.stringify(provider.slice(0, 64)) : 'none'
    return refuse([`body.provider: expected one of ${credentialProviders.join(', ')}, got ${got}`])
  }
  const faults = credentialFaults(provider, fields)
  if (faults.length > 0) refuse(faults.map((fault) => `body.${fault}`))
  return { name, provider, fields: fields as CredentialFields }
}

/** The first form of the body: the secret as one text, under the name of its provider. */
const wantedAsText = (name: string, body: Readonly<Record<string, unknown>>): Wanted => {
  if (!isProvider(name))
    throw new AppError('NOT_FOUND', `no provider ${name}; expected one of ${credentialProviders.join(', ')}`)
  const { credential, credential_ref = name, ...more } = body
  const faults = Object.keys(more).map((field) => `body.${field.slice(0, 64)}: is not known beside credential`)
  if (typeof credential !== 'string' || credential === '' || credential.length > 65_536)
    faults.push('body.credential: expected text of 1 to 65536 characters')
  if (typeof credential_ref !== 'string' || !new RegExp(namePatterns.credential_ref).test(credential_ref))
    faults.push(`body.credential_ref: expected a name (${namePatterns.credential_ref})`)
  if (faults.length > 0) refuse(faults)
  const text = credential as string
  const fields = fieldsOfText(name, text)
  if (name === 'slack' && fields === undefined)
    throw new AppError(
      'BODY_INVALID',
      'body.credential: expected a webhook URL https://hooks.slack.com/services/T.../B.../...',
    )
  return { name: credential_ref as string, provider: name, fields: fields ?? { credential: text } }
}

/** What the text is, where it is a form of the provider: a JSON object of the fields, or the one field. */
const fieldsOfText = (provider: CredentialProvider, text: string): CredentialFields | undefined => {
  const alone = credentialForms[provider].filter(({ length }) => length === 1).flat()
  const candidates: Record<string, unknown>[] = alone.map((field) => ({ [field]: text }))
  try {
    const value: unknown = JSON.parse(text)
    if (value !== null && typeof value === 'object') candidates.push(value as Record<string, unknown>)
  } catch {
    // It is no JSON, so it is the field itself.
  }
  return candidates.find((each) => credentialFaults(provider, each).length === 0) as CredentialFields | undefined
}

// ---- routes

const shownFields = (provider: CredentialProvider, names: readonly string[]) => ({
  type: 'object',
  title: `${provider}: ${names.join(', ')}`,
  required: names,
  properties: {
    provider: { const: provider },
    ...Object.fromEntries(names.map((name) => [name, { type: 'string', writeOnly: true }])),
  },
  additionalProperties: false,
})
const credentialBody: Field = {
  type: 'object',
  description: 'The fields of one provider; provider may be left out where the name is that of one',
  additionalProperties: { type: ['string', 'integer', 'number', 'boolean', 'null', 'object', 'array'] },
  shown: {
    type: 'object',
    oneOf: [
      ...credentialProviders.flatMap((provider) =>
        credentialForms[provider].map((names) => shownFields(provider, names)),
      ),
      {
        type: 'object',
        title: 'as one text',
        required: ['credential'],
        properties: {
          credential: { type: 'string', minLength: 1, maxLength: 65_536, writeOnly: true },
          credential_ref: { type: 'string', pattern: namePatterns.credential_ref },
        },
        additionalProperties: false,
      },
    ],
    examples: [
      { role_arn: 'arn:aws:iam::123456789012:role/convergence' },
      { client_id: '6f1f2c3a-0d6b-4f0e-9c39-5b1f5c2d7a10', tenant_id: '0b8a4d52-7f0c-4a3e-8f51-1c2d3e4f5a6b' },
      { service_account: 'convergence@acme-billing-4711.iam.gserviceaccount.com' },
    ],
  },
}

const credentialAnswer = (row: Omit<CredentialRow, 'sealed'>) => ({
  tenant_id: row.tenant_id,
  name: row.credential_ref,
  credential_ref: row.credential_ref,
  provider: row.provider,
  fields: row.fields?.split(',') ?? null,
  external_id: row.external_id,
  version: row.version,
  is_active: row.is_active,
  stored_by: row.recorded_by,
  stored_at: row.recorded_at,
  last_used_at: null,
})

const tenantOf = async ({ tenants }: RouteContext, { params }: Call): Promise<string> => {
  const tenant_id = params['tenant_id'] ?? ''
  if ((await tenants.get(tenant_id)) === undefined) throw notFound()
  return tenant_id
}

const put = async (context: RouteContext, call: Call): Promise<Answer> => {
  const { deps, store } = context
  const { name, provider, fields } = wantedOf(call.params['name'] ?? '', call.body as Record<string, unknown>)
  const tenant_id = await tenantOf(context, call)
  const held = {
    tenant_id,
    kind: 'credentials' as const,
    name,
    there: async () => (await store.credentials(tenant_id)).map((each) => each.credential_ref),
  }
  const decide = async () => {
    const before = await store.credential(tenant_id, name)
    const version = (before?.version ?? 0) + 1
    // Kept as long as there is the name: it stands in the trust policy of the tenant's role.
    const external_id =
      before?.external_id ?? (fields['role_arn'] === undefined ? null : `cvg-${randomDigits(32, deps.random_bytes)}`)
    const whole = fields['role_arn'] === undefined || external_id === null ? fields : { ...fields, external_id }
    const sealed = await deps.secrets.seal(
      purposeOf(provider),
      JSON.stringify(whole),
      `tenant_cloud_credentials|${tenant_id}|${name}|${version}`,
    )
    const next: CredentialRow = {
      credential_ref: name,
      tenant_id,
      provider,
      sealed,
      fields: Object.keys(whole).toSorted().join(','),
      external_id,
      recorded_by: call.principal.key_id,
      is_active: true,
      version,
      recorded_at: deps.now().toISOString(),
    }
    return (await store.writeCredential(next)) ? next : undefined
  }
  const row = await context.room.forOneMore(held, () => decideAnew(`credential ${name}`, decide))
  return { status: 200, body: credentialAnswer(row) }
}

const existing = async (context: RouteContext, call: Call): Promise<CredentialRow> => {
  const name = call.params['name'] ?? ''
  const row = await context.store.credential(await tenantOf(context, call), name)
  if (row?.is_active !== true)
    throw new AppError('NOT_FOUND', `no credential ${name}; list them: GET /api/v1/tenants/{tenant_id}/credentials`)
  return row
}

const remove = async (context: RouteContext, call: Call): Promise<Answer> => {
  const { deps, store } = context
  const { tenant_id, credential_ref: name } = await existing(context, call)
  const users = await store.sourcesWith(tenant_id, name)
  if (users.length > 0)
    throw new AppError(
      'CONFLICT',
      `credential ${name}: expected one that no source names, got one of ${users.slice(0, 5).join(', ')}; ` +
        'remove those sources, or give them another credential',
    )
  await decideAnew(`credential ${name}`, async () => {
    const before = await existing(context, call)
    const recorded_at = deps.now().toISOString()
    const version = before.version + 1
    // The secret is not carried on.
    const gone = { ...before, sealed: '', is_active: false, version, recorded_at, recorded_by: call.principal.key_id }
    return (await store.writeCredential(gone)) ? gone : undefined
  })
  return { status: 200, body: { tenant_id, name, deleted: true } }
}

/** A credential is sealed here and never given back; what travels is its name. */
export const credentials = (context: RouteContext): Route[] => {
  const path = '/api/v1/tenants/:tenant_id/credentials/:name'
  const common = { tenant: 'tenant_id', answers: [200] } as const
  const forms = { name: namePatterns.credential_ref }
  return [
    {
      method: 'GET',
      path: '/api/v1/tenants/:tenant_id/credentials',
      summary: 'Names of the stored credentials, with who stored them and when; never the secret',
      scope: 'pipelines:read',
      ...common,
      rate: 'read',
      handle: async (call) => {
        const rows = await context.store.credentials(await tenantOf(context, call))
        return { status: 200, body: { items: rows.map(credentialAnswer), next_cursor: null } }
      },
    },
    {
      method: 'GET',
      path,
      forms,
      summary: 'A stored credential without its secret; of a role, the external id for its trust policy',
      scope: 'pipelines:read',
      ...common,
      rate: 'read',
      handle: async (call) => ({ status: 200, body: credentialAnswer(await existing(context, call)) }),
    },
    {
      method: 'PUT',
      path,
      forms,
      summary: 'Store a credential, encrypted; it is never given back',
      scope: 'configs:write',
      ...common,
      rate: 'admin',
      body: credentialBody,
      takes_secrets: true,
      handle: (call) => put(context, call),
    },
    {
      method: 'DELETE',
      path,
      forms,
      summary: 'Remove a credential; refused while a source names it',
      scope: 'configs:write',
      ...common,
      rate: 'admin',
      handle: (call) => remove(context, call),
    },
  ]
}

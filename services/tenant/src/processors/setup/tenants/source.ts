import { AppError, isSourceName, isClaim, type SourceSettings } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import { settingsFrom } from '../../../source-store.ts'
import { tenantOf } from '../../config.ts'
import type { ProcessorDeps } from '../../deps.ts'

/** Whose credential opens a source. */
const openedBy = (settings: SourceSettings): string => {
  if (settings.provider !== 'any') return settings.provider
  return { s3: 'aws', azure: 'azure', gcs: 'gcp' }[settings.store]
}

/**
 * Puts or removes a source of a tenant. A run changes once; the same settings again change nothing. Without the right to
 * claim, which the platform's own identity would read for, a source names a stored credential.
 */
export const source = ({ store, sources, shared_sources }: ProcessorDeps): Processor => ({
  ps_type: 'setup.tenants.source',
  run: async ({ run, step }) => {
    const { config, step_id } = step
    const tenant_id = tenantOf(run, step_id, config['tenant_id'], shared_sources)
    const name = config['source_name']
    if (!isSourceName(name) || typeof name !== 'string')
      throw new AppError('PARAMETER_INVALID', `step ${step_id}: source_name: expected the name of a source`)
    if ((await store.profile(tenant_id)) === undefined)
      throw new AppError('TENANT_UNKNOWN', `tenant ${tenant_id} has no profile; onboard it first`)
    const event_id = `${run.run_id}-${step_id}`
    const outputsOf = ({ version, created, changed, settings }: Awaited<ReturnType<typeof sources.change>>) => ({
      rows_written: changed ? 1 : 0,
      outputs: { tenant_id, name, version, created, changed, settings },
    })
    if (config['action'] === 'delete') {
      const removed_is_fine = config['removed_is_fine'] === true
      const purged = config['purged'] === true
      return outputsOf(await sources.change({ tenant_id, name, removed_is_fine, purged }, event_id))
    }
    const settings = settingsFrom(step_id, config['settings'])
    const { credential } = settings
    if (isClaim(settings) && config['may_claim'] !== true)
      throw new AppError(
        'FORBIDDEN',
        `source ${name}: expected credential, the name of a stored credential of the tenant, got ` +
          `${credential === undefined ? 'none' : 'a table, which none is used for'}; ` +
          'only the operator may have the platform read by its own right',
      )
    if (settings.provider === 'gcp' && (await sources.isKept(tenant_id, settings.table)))
      throw new AppError(
        'FORBIDDEN',
        `source ${name}: table: expected one of a billing export, got one of a dataset that the platform keeps`,
      )
    if (credential !== undefined) {
      const stored = await sources.credentialProvider(tenant_id, credential)
      const expected = openedBy(settings)
      if (stored !== expected)
        throw new AppError(
          stored === undefined && config['may_claim'] !== true ? 'FORBIDDEN' : 'PARAMETER_INVALID',
          `source ${name}: credential: expected a stored credential of provider ${expected}, got ${credential}, ` +
            `${stored === undefined ? 'which is not stored' : `which is one of ${stored}`}; ` +
            `PUT /api/v1/tenants/${tenant_id}/credentials/${credential} stores it`,
        )
    }
    return outputsOf(await sources.change({ tenant_id, name, settings }, event_id))
  },
})

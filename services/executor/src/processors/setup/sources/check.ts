import { AppError, isSourceName, systemTenant } from '@convergence/contracts'
import type { Objects } from '@convergence/objects'
import { readSources } from '@convergence/service/sources'
import type { Processor } from '@convergence/service/steps'
import { withAccess, type AccessOf } from '../../../exports/access.ts'
import { checkTable } from '../../../exports/check-table.ts'
import { checkObjects, nothingFound, problemOf, storeOf, type Checked } from '../../../exports/check.ts'
import { openSpool } from '../../../exports/spool.ts'
import type { ProcessorDeps } from '../../deps.ts'

/** The tenant and the name that a step of the platform is about. */
export const subjectOf = (
  run: { tenant_id: string },
  { step_id, config }: { step_id: string; config: Readonly<Record<string, unknown>> },
): { tenant_id: string; source_name: string } => {
  const { tenant_id, source_name } = config
  if (typeof tenant_id !== 'string' || !isSourceName(source_name) || typeof source_name !== 'string')
    throw new AppError('PARAMETER_INVALID', `step ${step_id}: expected tenant_id and source_name`)
  if (run.tenant_id !== systemTenant && run.tenant_id !== tenant_id)
    throw new AppError(
      'FORBIDDEN',
      `step ${step_id}: a run of tenant ${run.tenant_id} may not see sources of ${tenant_id}`,
    )
  return { tenant_id, source_name }
}

/** Lists and reads one row of a source; loads nothing. What is wrong with the source is its answer, not a failure. */
export const check = ({
  warehouse,
  scratch_folder,
  objects: stores,
  accessOf,
}: Pick<ProcessorDeps, 'warehouse' | 'objects' | 'scratch_folder'> & { accessOf: AccessOf }): Processor => ({
  ps_type: 'setup.sources.check',
  run: async ({ run, step, signal }) => {
    const { tenant_id, source_name } = subjectOf(run, step)
    const source = (await readSources(warehouse, tenant_id)).find(({ name }) => name === source_name)
    if (source === undefined)
      throw new AppError('NOT_FOUND', `tenant ${tenant_id} has no source ${source_name}; list its sources`)
    const broken = (problem: string): Checked => ({ ok: false, found: nothingFound(), problems: [problem], notes: [] })
    const checked = async (): Promise<Checked> => {
      if (source.provider === 'gcp') {
        const found = await checkTable(warehouse, tenant_id, source, {
          all_names: step.config['all_names'] === true,
          signal,
        })
        if (source.credential !== undefined)
          found.notes.push(`credential ${source.credential} is not used: tables are read by the platform's own right`)
        return found
      }
      let objects: Objects
      try {
        objects = withAccess(stores, await accessOf(tenant_id, { ...source, store: storeOf(source) }))
      } catch (error) {
        return broken(problemOf(error))
      }
      const may_name = source.credential !== undefined || step.config['all_names'] === true
      return checkObjects({ objects, spool: openSpool({ objects, scratch_folder }), signal, may_name }, source)
    }
    return { outputs: { ...(await checked()), source: source_name } }
  },
})

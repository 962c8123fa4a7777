import { expect } from 'chai'
import type { Bus } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import { loadPipelines, type StepKind } from '@convergence/pipeline'
import { executor } from '../src/executor.ts'

const pipelines = loadPipelines({ project_id: 'local-convergence' })
/** What the executor consumes, or why it does not start with these kinds of steps. */
const startWith = async (kinds: readonly StepKind[]): Promise<{ consumed: number; refused: AppError | undefined }> => {
  let consumed = 0
  const bus = {
    consume: () => {
      consumed += 1
    },
  } as unknown as Bus
  const refused = await executor({
    bus,
    warehouse: {} as never,
    objects: {} as never,
    pipelines: { ...pipelines, kinds },
    log: {} as never,
    now: () => new Date(0),
    random: () => 0,
    shared_sources: [],
    scratch_folder: '/nowhere',
  }).then(
    () => undefined,
    (error: unknown) => error as AppError,
  )
  return { consumed, refused }
}

describe('the start of the executor', () => {
  it('takes the kinds of steps of the repository, each with its processor', async () => {
    expect(await startWith(pipelines.kinds)).to.deep.equal({ consumed: 4, refused: undefined })
  })
  it('is refused with the name of a kind that has no processor, before anything is consumed', async () => {
    const { consumed, refused } = await startWith([...pipelines.kinds, { ps_type: 'gcp.gcs_load', host: 'executor' }])
    expect(consumed).to.equal(0)
    expect(refused).to.be.instanceOf(AppError).and.to.include({ code: 'CONFIG_INVALID' })
    expect(refused?.faults).to.deep.equal([
      'gcp.gcs_load: expected a processor in the registry of executor, its host, got none',
    ])
  })
  it('is refused with the name of a processor that no template leads to', async () => {
    const { consumed, refused } = await startWith(pipelines.kinds.filter(({ ps_type }) => ps_type !== 'custom.noop'))
    expect(consumed).to.equal(0)
    expect(refused?.faults).to.deep.equal([
      'custom.noop: executor has a processor, expected a template ps_templates/custom/noop',
    ])
  })
})

/** Kinds of steps that the templates give to a service, compared with the processors that it has. */
import { AppError, type ServiceName } from '@convergence/contracts'
import type { StepKind } from '@convergence/pipeline'

/** Kinds that the service cannot run, and processors that no template leads to, each by name. */
export const hostFaults = (
  service: ServiceName,
  processors: readonly string[],
  kinds: Iterable<Pick<StepKind, 'ps_type' | 'host'>>,
): string[] => {
  const own = [...kinds].filter(({ host }) => host === service).map(({ ps_type }) => ps_type)
  const without = own
    .filter((ps_type) => !processors.includes(ps_type))
    .map((ps_type) => `${ps_type}: expected a processor in the registry of ${service}, its host, got none`)
  const orphans = processors
    .filter((name) => !own.includes(name))
    .map((name) => `${name}: ${service} has a processor, expected a template ps_templates/${name.replaceAll('.', '/')}`)
  return [...without, ...orphans]
}

/** Throws CONFIG_INVALID with each fault, before anything is consumed. */
export const assertHosted = (...given: Parameters<typeof hostFaults>): void => {
  const faults = hostFaults(...given)
  if (faults.length > 0)
    throw new AppError(
      'CONFIG_INVALID',
      `${faults.length} ${faults.length === 1 ? 'kind' : 'kinds'} of step without processor or template; ` +
        'nothing was started',
      { faults },
    )
}

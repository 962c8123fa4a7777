/**
 * Every kind of step has a host that can run it: the templates, which pipelines are checked by, compared with the
 * registries of the services.
 */
import type { ServiceName } from '@convergence/contracts'
import { processors as executor } from '@convergence/executor/processors'
import { kinds } from '@convergence/notifier/kinds'
import { hostFaults as faultsOf } from '@convergence/service/hosts'
import { processors as scheduler } from '@convergence/scheduler/processors'
import { processors as tenant } from '@convergence/tenant/processors'

type Template = { ps_type: string; host: ServiceName }

/** A registry says its names without a warehouse: making a processor opens nothing. */
const namesIn = (registry: (deps: never) => object): string[] => Object.keys(registry({} as never))

export const hosted = (): Readonly<Partial<Record<ServiceName, readonly string[]>>> => ({
  executor: namesIn(executor),
  notifier: Object.values(kinds),
  scheduler: namesIn(scheduler),
  tenant: namesIn(tenant),
})

/** Templates that their host cannot run, and processors that no template leads to, each by name. */
export const hostFaults = (templates: Iterable<Template>, registries = hosted()): string[] => {
  const list = [...templates]
  const services = new Set([...list.map(({ host }) => host), ...(Object.keys(registries) as ServiceName[])])
  return [...services].flatMap((service) => faultsOf(service, registries[service] ?? [], list)).sort()
}

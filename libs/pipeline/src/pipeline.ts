/**
 * Pipelines from YAML: loaded and checked once at start, pure afterwards. Knows the templates (ps_templates), fills
 * variables, binds SQL parameters, and says what follows a step.
 */
export { configsFolder, filesBelow, templatesFolder } from './folders.ts'
export { checkFiles, loadPipelines, showFaults, type LoadOptions } from './load.ts'
export { afterStep, firstSteps, nextSteps, readySteps, stepOf } from './next.ts'
export { resultOf, type Recorded, type StepRecord } from './results.ts'
export { aboutToStart } from './when.ts'
export {
  assertSharedSources,
  assertWritable,
  defaultSharedSources,
  ownDataset,
  readsOf,
  readsSources,
  reservedByShared,
  sharedSourcesOf,
  type Readable,
} from './reach.ts'
export { segmentsOf } from './sql-template.ts'
export type {
  CompileInput,
  ConfigFault,
  Following,
  ParameterSpec,
  Pipeline,
  Pipelines,
  StepKind,
  TenantNames,
} from './types.ts'

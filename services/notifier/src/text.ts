/** From a finished run to words. Pure. */
import { AppError, emailExpected, errorTable, isErrorCode, isName, longestEmail } from '@convergence/contracts'
import type { CompiledStep, RunCompleted, RunFailed } from '@convergence/contracts'

export type Ended = RunCompleted | RunFailed

/**
 * on_failure = FAILED, on_success = COMPLETED, on_warning = COMPLETED and something was odd, always = those and CANCELLED. Nobody hears of a REJECTED run: who asked
 * for it got the rejection.
 */
export const isWanted = ({ status, run }: Ended, trigger: CompiledStep['trigger']): boolean => {
  switch (trigger ?? 'always') {
    case 'on_failure':
      return status === 'FAILED'
    case 'on_warning':
      return status === 'COMPLETED' && (run.warnings ?? []).length > 0
    case 'on_success':
      return status === 'COMPLETED'
    case 'always':
      return status !== 'REJECTED'
  }
}

/** By the table of errors; an error of a newer service may have a code that this one does not know. */
const whatToDo = (code: string): string => (isErrorCode(code) ? errorTable[code].what_to_do : '')

/** How the steps ended whose results are named, and what they found out. */
const resultsOf = ({ results = {} }: Ended['run']): Record<string, string | number | boolean | null> =>
  Object.fromEntries(
    Object.entries(results).flatMap(([step_id, { status, outputs }]) => [
      [`steps.${step_id}.status`, status],
      ...Object.entries(outputs).map(([name, value]) => [`steps.${step_id}.outputs.${name}`, value] as const),
    ]),
  )

/** What a text may name: the run's variables, and over them how it ended. */
export const variablesOf = (event: Ended): Record<string, string> => {
  const { run, status, started_at, ended_at, duration_ms } = event
  const failure = event.status === 'COMPLETED' ? undefined : event
  const own: Record<string, string | number | boolean | null | undefined> = {
    ...run.parameters,
    ...run.variables,
    ...resultsOf(run),
    run_id: run.run_id,
    pipeline_logging_id: run.run_id,
    tenant_id: run.tenant_id,
    pipeline: run.pipeline,
    pipeline_id: run.pipeline_id,
    trigger_type: run.trigger_type,
    requested_at: run.requested_at,
    status,
    started_at,
    ended_at,
    duration_ms,
    duration_seconds: duration_ms === undefined ? undefined : (duration_ms / 1000).toFixed(1),
    step_id: failure?.step_id,
    error_code: failure?.error.code,
    error_message: failure?.error.message,
    what_to_do: failure === undefined ? undefined : whatToDo(failure.error.code),
    warnings: (run.warnings ?? []).map(({ step_id, message }) => `${step_id}: ${message}`).join('\n'),
    error: failure === undefined ? undefined : `${failure.error.code}: ${failure.error.message}`,
  }
  return Object.fromEntries(
    Object.entries(own).map(([name, value]) => [name, value === null || value === undefined ? '' : String(value)]),
  )
}

/** Fills {name}. A name that nobody knows stays as it is written, to be seen; a value is never filled again. */
export const fill = (
  template: string,
  variables: Readonly<Record<string, string>>,
  escape: (value: string) => string = (value) => value,
): string =>
  template.replace(/\{((?:steps\.[a-z][a-z0-9_-]*\.(?:outputs\.)?)?[a-z][a-z0-9_]*)\}/gi, (whole, name: string) =>
    Object.hasOwn(variables, name) ? escape(variables[name] ?? '') : whole,
  )

/** One line of at most 200 characters. */
export const subjectOf = (text: string): string =>
  Array.from(text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim())
    .slice(0, 200)
    .join('')

/** Slack reads &, < and > as markup: a value must not become a mention or a link. */
export const slackEscape = (value: string): string =>
  value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

export const longestText = 20_000
const mostRecipients = 20

export const isAddress = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= longestEmail && isName('email', value)

/**
 * Throws CONFIG_INVALID unless every entry is exactly one plain address, 1 to 20 of them. A repeated one counts once.
 */
export const recipientsOf = (step_id: string, value: unknown): string[] => {
  const entries: unknown[] = Array.isArray(value) ? value : [value]
  entries.forEach((entry, k) => {
    if (!isAddress(entry))
      throw new AppError('CONFIG_INVALID', `notification ${step_id}: to_emails.${k}: expected ${emailExpected}`)
  })
  const unique = [...new Set(entries as string[])]
  if (unique.length === 0 || unique.length > mostRecipients)
    throw new AppError(
      'CONFIG_INVALID',
      `notification ${step_id}: to_emails: expected 1 to ${mostRecipients} addresses, came ${unique.length}`,
    )
  return unique
}

/** What DuckDB macros are made of. */

/** Holds the macros; no dataset may have this name. */
export const reservedSchema = '_gsql'
/** Ends the name of a macro that evaluates its arguments once. */
export const onceSuffix = '_once'
/**
 * Starts every error that a translated statement raises by itself, so that it can be told from the engine's own
 * messages.
 */
export const raised = 'googlesql: '

/**
 * name(parameters), expression. Parameters start with _ and lambdas use other names, so that nothing of the caller is
 * captured. `_path`, `_pattern`, `_group`, `_zone` and `_digits` stand for constants.
 */
export type Macro = readonly [head: string, body: string]

export const fail = (message: string): string => `error('${raised}${message}')`
export const failWith = (message: string, value: string): string =>
  `error('${raised}${message}' || coalesce(CAST(${value} AS VARCHAR), 'NULL'))`
/** An error that says that BigQuery would answer. */
export const refuse = (what: string): string => fail(`${what} is not supported by the local warehouse`)

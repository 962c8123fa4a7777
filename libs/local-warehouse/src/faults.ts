/**
 * DuckDB's faults in our words. Its own messages name paths, internal tables and its settings; what leaves this file
 * does not. A statement may raise a fault of ours from inside DuckDB: `raise` writes it, `wordFault` reads it again.
 */
import { AppError, isErrorCode } from '@convergence/contracts'
import type { ErrorCode } from '@convergence/contracts'

const mark = '\u001e'
/**
 * SQL that fails with this fault, as a value of this type. `detail` is SQL giving text. It depends on the row, so that
 * it is not evaluated beforehand.
 */
export const raise = (code: ErrorCode, head: string, detail: string, type: string): string =>
  `CAST(error('${mark}${code}${mark}${head.replaceAll("'", "''")}' || ${detail} || '${mark}') AS ${type})`
/** Code and text of a fault that `raise` wrote. */
export const raised = (error: unknown): { code: ErrorCode; text: string } | undefined => {
  const [, code, text] = textOf(error).split(mark)
  return code !== undefined && text !== undefined && isErrorCode(code) ? { code, text } : undefined
}
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Two transactions that changed the same thing: the whole transaction may be tried again. */
export const isConflict = (error: unknown): boolean =>
  !(error instanceof AppError) &&
  /TransactionContext Error|Conflict on|write-write conflict|conflict/i.test(textOf(error).split('\n')[0] ?? '') &&
  !/ON CONFLICT/.test(textOf(error))
export const isInterrupt = (error: unknown): boolean =>
  !(error instanceof AppError) && /^INTERRUPT/i.test(textOf(error))

/** What a user is told where nobody foresaw what DuckDB says. */
const unforeseen = {
  refused: 'the warehouse refuses the statement',
  inside: (what: string): string => `the warehouse met an ${what} fault; it is tried again`,
}
/**
 * DuckDB's text behind a fault whose message does not say it, for the log: without it nobody could find out what went
 * wrong. Undefined for a fault that was foreseen.
 */
export const hiddenText = ({ cause, code, message }: AppError): string | undefined => {
  if (!(cause instanceof Error) || cause instanceof AppError) return undefined
  // A statement that the translation let pass, and that DuckDB refuses in its own words.
  const slipped =
    code === 'QUERY_UNSUPPORTED' && /^(?!Invalid Input Error: googlesql: )[A-Za-z -]+ Error: /.test(cause.message)
  return slipped ||
    [unforeseen.refused, unforeseen.inside('internal'), unforeseen.inside('input or output')].includes(message)
    ? cause.message
    : undefined
}

const cut = (text: string): string => (text.length > 500 ? `${text.slice(0, 497)}...` : text)

/** Any fault of a statement as an AppError; an AppError stays what it is. */
export const wordFault = (error: unknown): AppError => {
  if (error instanceof AppError) return error
  const own = raised(error)
  if (own !== undefined) return new AppError(own.code, cut(own.text))
  const text = textOf(error)
  if (/No space left|ENOSPC|max_temp_directory_size|failed to offload data block/i.test(text))
    return new AppError(
      'DISK_FULL',
      'no space left where the warehouse keeps its data; free some and it is tried again',
      { cause: error },
    )
  if (/^Out of Memory|memory limit|failed to allocate|could not allocate/i.test(text))
    return new AppError(
      'RESOURCE_EXHAUSTED',
      'the statement needs more memory than the warehouse may use; make it smaller',
      { cause: error },
    )
  if (isInterrupt(error)) return new AppError('CANCELLED', 'the job was cancelled', { cause: error })
  if (isConflict(error))
    return new AppError(
      'JOB_FAILED',
      'could not serialize access to the table due to a concurrent update; it is tried again',
      { cause: error },
    )
  const kind = /^([A-Za-z -]+?) ?Error: /.exec(text)?.[1] ?? ''
  if (/^(IO|HTTP|FATAL|INTERNAL|Internal|Fatal|Serialization|Connection)/.test(kind))
    return new AppError('JOB_FAILED', unforeseen.inside(kind.startsWith('IO') ? 'input or output' : 'internal'), {
      cause: error,
    })
  if (kind.startsWith('Permission'))
    return new AppError('QUERY_INVALID', 'the statement reaches outside the warehouse, which is not allowed', {
      cause: error,
    })
  // What nobody thought of: its text is DuckDB's, and stays in the cause.
  return new AppError('QUERY_INVALID', unforeseen.refused, { cause: error })
}

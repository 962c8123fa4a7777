import { AppError, type Run } from '@convergence/contracts'

/** Parameters of runs, which a step has as the text of a JSON object. */
export const readParameters = (text: string | undefined): Run['parameters'] => {
  if (text === undefined || text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (
    value === null ||
    typeof value !== 'object' ||
    Array.isArray(value) ||
    Object.values(value).some((inner) => inner !== null && typeof inner === 'object')
  ) {
    throw new AppError(
      'PARAMETER_INVALID',
      'parameters: expected a JSON object of scalars as text, such as {"date":"2026-01-31"}',
    )
  }
  return value as Run['parameters']
}

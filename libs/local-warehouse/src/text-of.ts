/**
 * A value of JSON as text: a string is itself, a number and a flag as JSON writes them; an object and a list are their
 * JSON, never "[object Object]".
 */
export const textOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)

/**
 * Text of others in errors of ours: a character that is cut in half, or was half from the start, cannot be stored or
 * sent as UTF-8.
 */
export const excerpt = (text: string, most = Infinity): string => text.slice(0, most).toWellFormed()

/** Columns named in the outputs of a step; there may be hundreds. */
const mostNamed = 200

export const namedIn = (what: string, names: readonly string[]): Record<string, unknown> =>
  names.length === 0 ? {} : { [`${what}_names`]: names.slice(0, mostNamed) }

/**
 * Text of others in errors of ours: a character that is cut in half, or was half from the start, cannot be stored or
 * sent as UTF-8.
 */
export const excerpt = (text: string, most = Infinity): string => text.slice(0, most).toWellFormed()

/** What an engine answers to a statement, in one form for both. */

/** The type of a value, as far as comparing needs it. */
export type Shape =
  | { kind: 'scalar'; type: string }
  | { kind: 'array'; of: Shape }
  | { kind: 'struct'; fields: readonly { name: string | undefined; shape: Shape }[] }
export interface AnswerColumn {
  /** Undefined where the statement gives none. */
  name: string | undefined
  shape: Shape
}
/** NULL, text of a scalar, or a list: of an array's elements or a struct's fields. */
export type Value = null | string | readonly Value[]
export type Answer =
  { columns: readonly AnswerColumn[]; rows: readonly (readonly Value[])[] } | { error: string; refused: boolean }

export const typeText = (shape: Shape): string => {
  if (shape.kind === 'scalar') return shape.type
  if (shape.kind === 'array') return `ARRAY<${typeText(shape.of)}>`
  return `STRUCT<${shape.fields
    .map(({ name, shape: of }) => `${name === undefined ? '' : `${name} `}${typeText(of)}`)
    .join(', ')}>`
}

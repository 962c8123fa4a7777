/** Whether two engines answered the same. */
import { typeText, type Answer, type Shape, type Value } from './answer.ts'

export type Verdict =
  /** The same rows, or an error of both. */
  | 'right'
  /** An error of ours where the judge answers; `reworded` when it does not say that it is not supported. */
  | 'refused'
  | 'reworded'
  /** Other rows, types or names; or rows where the judge has an error. */
  | 'different'
  /** The judge could not say. */
  | 'unjudged'
export interface Judgement {
  verdict: Verdict
  why: string
}

/** Sums and powers come in another order of operations; BigQuery promises no last bit of them. */
const closeEnough = 1e-13
const sameFloat = (ours: string, theirs: string): boolean => {
  const [a, b] = [ours, theirs].map((text) => Number(text.replace(/^(-?)inf$/i, '$1Infinity').replace(/^nan$/i, 'NaN')))
  if (a === undefined || b === undefined) return false
  return (
    Object.is(a, b) ||
    a === b ||
    (Number.isFinite(a - b) && Math.abs(a - b) <= closeEnough * Math.max(Math.abs(a), Math.abs(b)))
  )
}
/** A decimal without what does not count in it. */
const plainDecimal = (text: string): string => {
  const cut = text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text
  return cut === '-0' ? '0' : cut
}
const microsOf = (text: string): string => {
  const match = /^(\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z$/.exec(text)
  if (match === null) return text
  const at = new Date(0)
  at.setUTCFullYear(Number(match[1]), Number(match[2]) - 1, Number(match[3]))
  at.setUTCHours(Number(match[4]), Number(match[5]), Number(match[6]))
  return String(BigInt(at.getTime()) * 1000n + BigInt((match[7] ?? '').padEnd(6, '0')))
}
const sorted = (json: unknown): unknown => {
  if (Array.isArray(json)) return json.map(sorted)
  if (json === null || typeof json !== 'object') return json
  return Object.fromEntries(
    Object.entries(json)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  )
}
const json = (text: string): string => {
  try {
    return JSON.stringify(sorted(JSON.parse(text)))
  } catch {
    return text
  }
}
const cutFraction = (text: string): string => text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')
const sameScalar = (type: string, ours: Value, theirs: Value): boolean => {
  if (typeof ours !== 'string' || typeof theirs !== 'string') return false
  switch (type.replace(/\(.*/, '')) {
    case 'FLOAT64':
      return sameFloat(ours, theirs)
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return plainDecimal(ours) === plainDecimal(theirs)
    case 'TIMESTAMP':
      return microsOf(ours) === microsOf(theirs)
    case 'DATETIME':
    case 'TIME':
      return cutFraction(ours) === cutFraction(theirs)
    case 'JSON':
      return json(ours) === json(theirs)
    default:
      return ours === theirs
  }
}
export const sameValue = (shape: Shape, ours: Value, theirs: Value): boolean => {
  if (shape.kind === 'array') {
    // BigQuery sends an array that is NULL as an empty one.
    const [a, b] = [listOf(ours ?? []), listOf(theirs ?? [])]
    return a.length === b.length && a.every((one, at) => sameValue(shape.of, one, b[at] ?? null))
  }
  if (ours === null || theirs === null) return ours === theirs
  if (shape.kind === 'scalar') return sameScalar(shape.type, ours, theirs)
  const [a, b] = [listOf(ours), listOf(theirs)]
  return shape.fields.every(({ shape: of }, at) => sameValue(of, a[at] ?? null, b[at] ?? null))
}
const listOf = (value: Value): readonly Value[] => (typeof value === 'string' || value === null ? [value] : value)
/** Types without the names that unnamed fields have on our side only. */
const bare = (shape: Shape): string =>
  typeText(shape)
    .replaceAll(/`?_field_\d+`? /g, '')
    .replaceAll('`', '')
    .replaceAll(/\([\d, ]*\)/g, '')
    .toLowerCase()
const hasNullElement = (shape: Shape, value: Value): boolean => {
  if (value === null || shape.kind === 'scalar' || typeof value === 'string') return false
  if (shape.kind === 'array') return value.some((one) => one === null || hasNullElement(shape.of, one))
  return shape.fields.some(({ shape: of }, at) => hasNullElement(of, value[at] ?? null))
}
const unnamed = (name: string | undefined): boolean => name === undefined || name.startsWith('$')

/** BigQuery has no result with NULL in an array. */
const faultOf = (answer: Answer): string | undefined => {
  if ('error' in answer) return answer.error
  const shapes = answer.columns.map(({ shape }) => shape)
  const isNull = (value: Value, at: number): boolean => {
    const shape = shapes[at]
    return shape !== undefined && hasNullElement(shape, value)
  }
  return answer.rows.some((row) => row.some(isNull)) ? 'NULL in a result array' : undefined
}

/** `ordered`: the rows have one order, else they are a bag. */
export const compare = (ours: Answer, theirs: Answer, ordered: boolean): Judgement => {
  const is = (verdict: Verdict, why = ''): Judgement => ({ verdict, why })
  if ('error' in theirs && theirs.refused) return is('unjudged', theirs.error)
  const theirFault = faultOf(theirs)
  if ('error' in ours) {
    if (theirFault !== undefined) return is('right')
    return is(ours.refused ? 'refused' : 'reworded', ours.error)
  }
  if ('error' in theirs || theirFault !== undefined)
    return is('different', `got ${JSON.stringify(ours.rows).slice(0, 300)}, expected an error: ${theirFault ?? ''}`)
  const types = [ours, theirs].map(({ columns }) => columns.map(({ shape }) => bare(shape)).join(', '))
  if (types[0] !== types[1]) return is('different', `types ${types[0] ?? ''}, expected ${types[1] ?? ''}`)
  // Of equal names the second has another one here; docs/LOCAL.md says so.
  const misnamed = theirs.columns.find(
    ({ name }, at) =>
      !unnamed(name) &&
      theirs.columns.findIndex((other) => other.name?.toLowerCase() === name?.toLowerCase()) === at &&
      ours.columns[at]?.name?.toLowerCase() !== name?.toLowerCase(),
  )
  if (misnamed !== undefined) return is('different', `a column has not the name ${misnamed.name ?? ''}`)
  const sameRow = (a: readonly Value[], b: readonly Value[]): boolean =>
    theirs.columns.every(({ shape }, at) => sameValue(shape, a[at] ?? null, b[at] ?? null))
  const shown = (): string =>
    `got ${JSON.stringify(ours.rows).slice(0, 400)}, expected ${JSON.stringify(theirs.rows).slice(0, 400)}`
  if (ours.rows.length !== theirs.rows.length) return is('different', shown())
  if (ordered)
    return ours.rows.every((row, at) => sameRow(row, theirs.rows[at] ?? [])) ? is('right') : is('different', shown())
  const left = [...theirs.rows]
  for (const row of ours.rows) {
    const at = left.findIndex((other) => sameRow(row, other))
    if (at < 0) return is('different', shown())
    left.splice(at, 1)
  }
  return is('right')
}

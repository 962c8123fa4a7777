/**
 * What is in FOCUS files that came without a manifest: of which months their rows are, and which rows stand in several of
 * them. Who writes the same bill again under another name would otherwise have it counted twice.
 */
import { AppError } from '@convergence/contracts'
import type { CsvRecord } from '@convergence/tabular/csv'
import { decimalOf, membersOf, utcDayOf, utcInstantOf } from '@convergence/tabular/values'
import { isAmong, type Months } from './bare-files.ts'
import { rowsOf } from './csv.ts'
import { finder } from './finder.ts'
import { headerOf, type Inspected } from './inspected.ts'
import { rowsOfParquet } from './parquet.ts'
import type { Spooled } from './spool.ts'
import { excerpt } from './words.ts'

/** What a file was found to be. */
export interface Contents {
  file: Spooled
  /** Rows by month, YYYY-MM. */
  months: ReadonlyMap<string, number>
  /** Of rows of the month that is loaded, by what they charge for: the amounts that stand there. Perhaps a sample. */
  charges: ReadonlyMap<number, ReadonlySet<number>>
}

/** What a charge is for: together with its amounts, a row that is the same in these is the same row. */
const identity = [
  'BillingAccountId',
  'SubAccountId',
  'InvoiceId',
  'ChargePeriodStart',
  'ChargePeriodEnd',
  'ChargeCategory',
  'ChargeClass',
  'ChargeDescription',
  'CommitmentDiscountId',
  'CommitmentDiscountStatus',
  'PricingCategory',
  'RegionId',
  'ResourceId',
  'ServiceName',
  'SkuId',
  'SkuPriceId',
  'Tags',
] as const
const amounts = ['BilledCost', 'EffectiveCost', 'ListCost', 'ContractedCost', 'ConsumedQuantity', 'PricingQuantity']
/** A value in one spelling: a copy in another format writes the same instants, amounts and tags in other ways. */
const spelledOnce = (column: string): ((text: string) => string) => {
  let [last, is] = ['', '']
  const spell = (text: string): string => {
    if (/^null$/i.test(text)) return ''
    if (column === 'Tags') {
      const tags = membersOf(text)
      return tags === undefined ? text : JSON.stringify(Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1)))
    }
    if (column.startsWith('ChargePeriod')) return utcInstantOf(text) ?? text
    return (amounts.includes(column) ? decimalOf(text, 'BIGNUMERIC') : undefined) ?? text
  }
  return (text) => {
    if (text !== last) [last, is] = [text, spell(text)]
    return is
  }
}
/** Charges that are remembered of all files; of more a sample is, the same in each file. */
const mostCharges = 1_000_000
const bytesOfRow = 150

/** 53 bits of a text: of two million texts the chance that two are alike is one in four thousand. */
const hashOf = (text: string): number => {
  let [high, low] = [0xdeadbeef, 0x41c6ce57]
  for (let k = 0; k < text.length; k += 1) {
    const code = text.charCodeAt(k)
    high = Math.imul(high ^ code, 2_654_435_761)
    low = Math.imul(low ^ code, 1_597_334_677)
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0)
}
const estimatedRows = ({ data_rows, unpacked_bytes }: Spooled): number => data_rows ?? unpacked_bytes / bytesOfRow

const rowsIn = (file: Spooled, columns: readonly string[], signal: AbortSignal): AsyncIterable<CsvRecord> =>
  file.format === 'parquet' ? rowsOfParquet(file, columns, signal) : rowsOf(file, signal)
const placeOf = ({ name, format }: Inspected, line: number): string =>
  format === 'parquet' ? `${name}, row ${line}` : `${name}:${line}`

/** Reads a file whole. Throws EXPORT_INVALID where a row says no month, or one that its name does not promise. */
const contentsOf = async (
  file: Spooled,
  {
    month,
    may_have,
    every,
    signal,
  }: {
    month: string
    may_have: Months | undefined
    /** One charge of so many is remembered; 0: none is. */ every: number
    signal: AbortSignal
  },
): Promise<Contents> => {
  const find = finder([file], {})
  const start = find('BillingPeriodStart')?.source
  if (start === undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${headerOf(file)}: expected a column BillingPeriodStart, which says the month of its rows, got ` +
        `${file.header.slice(0, 8).join(', ')}; is it another kind of file?`,
    )
  const found = every === 0 ? [] : [...identity, ...amounts].flatMap((name) => find(name)?.source ?? [])
  // What a file has no column of is empty in it, as in a copy with that column.
  const hashed = (names: readonly string[]) => {
    const parts = names.map((name) => ({
      at: file.header.indexOf(find(name)?.source ?? ''),
      spelled: spelledOnce(name),
    }))
    return (fields: readonly string[]) =>
      hashOf(parts.map(({ at, spelled }) => spelled(fields[at] ?? '')).join('\u001f'))
  }
  const own = file.header.indexOf(start)
  const [chargeOf, paidOf] = [hashed(identity), hashed(amounts)]
  const months = new Map<string, number>()
  const charges = new Map<number, Set<number>>()
  let last = { text: '', month: '' }
  for await (const { line, fields } of rowsIn(file, [start, ...found], signal)) {
    const text = fields[own] ?? ''
    if (text !== last.text || last.month === '') {
      const wrong = (expected: string, got: string): AppError =>
        new AppError('EXPORT_INVALID', `${placeOf(file, line)}, column ${start}: expected ${expected}, got ${got}`)
      const day = utcDayOf(text)
      const shown = text === '' ? 'an empty field' : JSON.stringify(excerpt(text, 40))
      if (day === undefined) throw wrong('a day or an instant such as 2025-11-01T00:00:00Z', shown)
      last = { text, month: day.slice(0, 7) }
      if (may_have !== undefined && !isAmong(last.month, may_have))
        throw wrong(
          `a billing period of ${may_have.from} to ${may_have.to}, as the name of the file promises`,
          `${shown}; for other months it would not be found: leave the days out of its name`,
        )
    }
    months.set(last.month, (months.get(last.month) ?? 0) + 1)
    if (every === 0 || last.month !== month) continue
    const charge = chargeOf(fields)
    if (charge % every !== 0) continue
    const known = charges.get(charge) ?? new Set<number>()
    charges.set(charge, known.add(paidOf(fields)))
  }
  return { file, months, charges }
}

/** Files of which the rows of a month are taken, and what the reader of the run should know of the others. */
export interface Taken {
  files: Spooled[]
  warnings: string[]
  /** Rows of the files that are of other months, by month. */
  elsewhere: Record<string, number>
}
const rowsOfMonth = ({ months }: Contents, month: string): number => months.get(month) ?? 0

/** Charges that two files have, those with the same amounts and those with others. */
interface Common {
  a: Contents
  b: Contents
  same: number
  other: number
}
const commonCharges = (all: readonly Contents[]): Common[] => {
  const holders = new Map<number, number[]>()
  for (const [k, { charges }] of all.entries())
    for (const charge of charges.keys()) holders.set(charge, [...(holders.get(charge) ?? []), k])
  const pairs = new Map<number, Common>()
  for (const [charge, [first, ...more]] of holders) {
    // Each with the next one: what three files have is found without comparing each with each.
    let before = first
    for (const k of more) {
      const [a, b] = [all[before ?? 0], all[k]]
      if (a === undefined || b === undefined) continue
      const pair = pairs.get((before ?? 0) * all.length + k) ?? { a, b, same: 0, other: 0 }
      pairs.set((before ?? 0) * all.length + k, pair)
      const [mine, theirs] = [a.charges.get(charge) ?? new Set<number>(), b.charges.get(charge) ?? new Set<number>()]
      if ([...mine].some((amount) => theirs.has(amount))) pair.same += 1
      else pair.other += 1
      before = k
    }
  }
  return [...pairs.values()]
}
const isWithin = (inner: Contents, outer: Contents, month: string): boolean =>
  inner.charges.size > 0 &&
  rowsOfMonth(inner, month) <= rowsOfMonth(outer, month) &&
  [...inner.charges].every(([charge, paid]) => {
    const there = outer.charges.get(charge)
    return there !== undefined && [...paid].every((amount) => there.has(amount))
  })

/**
 * Leaves out a file whose rows of the month all stand in another one, of two that are the same the one that is named
 * first. Throws EXPORT_INVALID for two of which most rows are the same and not all: which of them counts, nothing says.
 */
export const withoutCopies = (all: readonly Contents[], month: string): Pick<Taken, 'files' | 'warnings'> => {
  const warnings: string[] = []
  const left = new Set<Contents>()
  const pairs = commonCharges(all)
  for (const { a, b } of pairs) {
    const [inner, outer] = isWithin(a, b, month) ? [a, b] : [b, a]
    if (left.has(inner) || left.has(outer) || !isWithin(inner, outer, month)) continue
    left.add(inner)
    warnings.push(`${inner.file.name}: all of its rows of ${month} stand in ${outer.file.name} too; they count once`)
  }
  for (const { a, b, same, other } of pairs) {
    if (left.has(a) || left.has(b)) continue
    const least = Math.min(a.charges.size, b.charges.size)
    if (same * 2 > least)
      throw new AppError(
        'EXPORT_INVALID',
        `${b.file.name}: expected rows that no other file has, got most of those of ${a.file.name}, and not all; ` +
          'which of the two counts, nothing says: keep one of them below the prefix',
      )
    if (same > 0) warnings.push(`${b.file.name}: some of its rows stand in ${a.file.name} too, and count twice`)
    if (other > 0)
      warnings.push(
        `${b.file.name}: has charges that ${a.file.name} has with other amounts (same account, resource, SKU and ` +
          'period); both count: if each file tells the sum so far, as hourly exports of daily sums do, have it written once a day',
      )
  }
  return { files: all.filter((each) => !left.has(each)).map(({ file }) => file), warnings: summed(warnings) }
}
const mostWarnings = 10
const summed = (warnings: readonly string[]): string[] =>
  warnings.length <= mostWarnings
    ? [...warnings]
    : [...warnings.slice(0, mostWarnings), `and ${warnings.length - mostWarnings} more of the kind`]

/** The files that have rows of the month, each row once. */
export const filesTaken = async (
  files: readonly Spooled[],
  {
    month,
    monthsOf,
    signal,
    most_charges = mostCharges,
  }: {
    month: string
    /** Months that a file's name promises; undefined for any. */
    monthsOf(name: string): Months | undefined
    signal: AbortSignal
    most_charges?: number
  },
): Promise<Taken> => {
  const rows = files.reduce((sum, file) => sum + estimatedRows(file), 0)
  const every = files.length < 2 ? 0 : Math.max(1, Math.ceil(rows / most_charges))
  const found: Contents[] = []
  const elsewhere: Record<string, number> = {}
  for (const file of files) {
    const contents = await contentsOf(file, { month, may_have: monthsOf(file.name), every, signal })
    if (contents.months.has(month)) found.push(contents)
    for (const [other, count] of contents.months)
      if (other !== month) elsewhere[other] = (elsewhere[other] ?? 0) + count
  }
  return { ...withoutCopies(found, month), elsewhere }
}

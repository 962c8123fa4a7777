/**
 * What the files of an export of cost come to, counted apart from their load: CSV by bytes here, which neither the
 * warehouse nor the reader of CSV has a part in, Parquet by the reader of columns, and added up as whole numbers. Which
 * column is the cost is what the load says; what stands in it is read again.
 */
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { LoadColumn } from '@convergence/warehouse'
import { rowsOfParquet } from './parquet.ts'
import type { Spooled } from './spool.ts'

/** What the rows of an account, an invoice and a currency come to. */
export interface ExportAmount {
  billing_account_id: string | null
  invoice_id: string | null
  currency: string | null
  row_count: number
  /** Exact. */
  amount: string
}
interface Told {
  cost: string
  /** The first that is filled. */
  account: readonly string[]
  /** What an account is called that none of them says. */
  unknown?: string
  invoice: string
  currency: string
}
const focus: Told = {
  ...{ cost: 'BilledCost', account: ['BillingAccountId'], invoice: 'InvoiceId', currency: 'BillingCurrency' },
}
const azure: Told = {
  ...{ cost: 'cost_in_billing_currency', account: ['billing_profile_id', 'billing_account_id'] },
  ...{ unknown: 'Not stated', invoice: 'invoice_id', currency: 'billing_currency_code' },
}
/** Tables of cost, with the columns that say what their rows are of. */
const tables: Readonly<Record<string, Told>> = {
  aws_cost_cur: {
    ...{ cost: 'line_item_unblended_cost', account: ['bill_payer_account_id'] },
    ...{ invoice: 'bill_invoice_id', currency: 'line_item_currency_code' },
  },
  azure_cost_exports: azure,
  azure_cost_amortized: azure,
  aws_cost_focus: focus,
  azure_cost_focus: focus,
  any_cost_focus: focus,
}
export const isOfCost = (table: string): boolean => Object.hasOwn(tables, table)

const [comma, quote, space, LF, CR] = [44, 34, 32, 10, 13]
const [between, begin, plain, quoted, closing] = [0, 1, 2, 3, 4] as const
const unwanted = -1

/**
 * Some fields of each record of CSV, as its bytes come: those at the places that the header's fields give. They are as
 * they were written, with their quotes. Every byte of every file comes by here, so it goes by numbers and makes nothing.
 */
export const openFields = (placesOf: (header: readonly string[]) => readonly number[]) => {
  let [state, at]: [number, number] = [between, 0]
  /** Which of the fields asked for the field at a place is; of the header, all are asked for. */
  let slots: Int32Array | undefined
  let record: string[] = []
  /** Bytes of the field, as far as it came in pieces before this one. */
  let held: Buffer[] = []
  let rows: string[][] = []

  const slotOf = (place: number): number => (slots === undefined ? place : (slots[place] ?? unwanted))
  const keep = (slot: number, bytes: Buffer, from: number, to: number): void => {
    const rest = bytes.subarray(from, to)
    record[slot] = (held.length === 0 ? rest : Buffer.concat([...held, rest])).toString('utf8')
    held = []
  }
  const endRecord = (): void => {
    if (slots !== undefined) rows.push(record)
    else {
      const places = placesOf(record.map(unmarked))
      slots = new Int32Array(record.length).fill(unwanted)
      for (const [k, place] of places.entries()) if (place >= 0) slots[place] = k
    }
    record = []
  }
  const see = (chunk: Buffer): void => {
    let [now, place, from] = [state, at, 0]
    let slot = slotOf(place)
    const { length } = chunk
    for (let k = 0; k < length; k += 1) {
      const byte = chunk[k]
      if (now === quoted) {
        const close = chunk.indexOf(quote, k)
        if (close < 0) break
        now = closing
        k = close
      } else if (byte === comma && now !== between) {
        if (slot !== unwanted) keep(slot, chunk, from, k)
        now = begin
        place += 1
        slot = slotOf(place)
        from = k + 1
      } else if (byte === LF || byte === CR) {
        if (now === between) continue
        if (slot !== unwanted) keep(slot, chunk, from, k)
        endRecord()
        now = between
        place = 0
        slot = slotOf(0)
      } else {
        if (now === between) {
          now = begin
          from = k
        }
        if (byte === comma) k -= 1
        else if (byte === quote) {
          if (now !== plain) now = quoted
        } else if (now === begin && byte !== space) now = plain
      }
    }
    if (now !== between && slot !== unwanted) held.push(Buffer.from(chunk.subarray(from)))
    state = now
    at = place
  }
  const taken = (): string[][] => {
    const some = rows
    rows = []
    return some
  }
  return {
    /** The records that are whole by now. */
    take: (chunk: Buffer): string[][] => {
      see(chunk)
      return taken()
    },
    end: (): string[][] => {
      if (state === between) return []
      const slot = slotOf(at)
      if (slot !== unwanted) keep(slot, Buffer.alloc(0), 0, 0)
      endRecord()
      state = between
      return taken()
    },
  }
}
const unmarked = (text: string): string => valueOf(text.replace(/^\uFEFF/, ''))
/** What a field says, which may stand in quotes. */
const valueOf = (text: string): string => {
  const trimmed = text.trimStart()
  if (!trimmed.startsWith('"')) return text
  return trimmed.slice(1, trimmed.lastIndexOf('"')).replaceAll('""', '"')
}

/** Sums of decimals by how many digits stand behind their point. */
export const openSum = () => {
  const [small, large]: [number[], bigint[]] = [[], []]
  const add = (digits: string, scale: number, negative: boolean): void => {
    if (digits.length <= 15) {
      const sum = (small[scale] ?? 0) + (negative ? -Number(digits) : Number(digits))
      const isFull = Math.abs(sum) > 8e15
      if (isFull) large[scale] = (large[scale] ?? 0n) + BigInt(sum)
      small[scale] = isFull ? 0 : sum
    } else large[scale] = (large[scale] ?? 0n) + BigInt(digits) * (negative ? -1n : 1n)
  }
  return {
    /** False where the text is no decimal. */
    add: (text: string): boolean => {
      const found = /^\s*([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,4}))?\s*$/.exec(text)
      const [, sign = '', whole = '', fraction = '', exponent] = found ?? []
      if (found === null || whole + fraction === '') return false
      const shift = fraction.length - Number(exponent ?? 0)
      add(`${whole}${fraction}${'0'.repeat(Math.max(0, -shift))}`, Math.max(0, shift), sign === '-')
      return true
    },
    text: (): string => {
      const scale = Math.max(small.length, large.length, 1) - 1
      let sum = 0n
      for (let k = 0; k <= scale; k += 1) sum += (BigInt(small[k] ?? 0) + (large[k] ?? 0n)) * 10n ** BigInt(scale - k)
      const digits = String(sum < 0n ? -sum : sum).padStart(scale + 1, '0')
      const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
      const whole = digits.slice(0, digits.length - scale)
      return `${sum < 0n ? '-' : ''}${whole}${scale === 0 || fraction === '' ? '' : `.${fraction}`}`
    },
  }
}

const mostGroups = 10_000
const source = (columns: readonly LoadColumn[], name: string): string | undefined => {
  const found = columns.find((column) => column.name === name)
  return found !== undefined && 'source' in found ? found.source : undefined
}

/** Fields of some columns of each record, empty where the file has no such column. */
async function* fieldsOf(file: Spooled, names: readonly string[], signal: AbortSignal): AsyncGenerator<string[][]> {
  if (file.format === 'parquet') {
    const places = names.map((name) => file.header.indexOf(name))
    for await (const { fields } of rowsOfParquet(file, names, signal)) yield [places.map((at) => fields[at] ?? '')]
    return
  }
  const bytes = createReadStream(file.path, { highWaterMark: 1024 ** 2, signal })
  const unpacked = file.path.endsWith('.gz')
    ? pipeline(bytes, createGunzip({ chunkSize: 1024 ** 2 }), () => undefined)
    : bytes
  const fields = openFields((header) => names.map((name) => header.indexOf(name)))
  const values = (rows: string[][]): string[][] => rows.map((row) => names.map((_, k) => valueOf(row[k] ?? '')))
  for await (const chunk of unpacked as AsyncIterable<Buffer>) yield values(fields.take(chunk))
  yield values(fields.end())
}

/** The sums, or in words why there are none. */
export type Counted = { amounts: ExportAmount[] } | { uncounted: string }

/**
 * Sums of the files by account, invoice and currency; of a table that is none of cost there is nothing to add up.
 * `month`: only rows whose period begins in it, where files have others.
 */
export const countAmounts = async (
  table: string,
  columns: readonly LoadColumn[],
  files: readonly Spooled[],
  { month, signal }: { month?: ((text: string) => boolean) | undefined; signal: AbortSignal },
): Promise<Counted> => {
  const told = tables[table]
  if (told === undefined) return { amounts: [] }
  const cost = source(columns, told.cost)
  if (cost === undefined) return { uncounted: `its files have no column for ${told.cost}` }
  const named = [told.invoice, told.currency, 'BillingPeriodStart', ...told.account].map((name) =>
    source(columns, name),
  )
  const isWord = columns.some((column) => 'source' in column && column.null_word === true)
  const filled = (text: string | undefined): string =>
    text === undefined || (isWord && text.toUpperCase() === 'NULL') ? '' : text
  const names = [cost, ...named.map((name) => name ?? '')]
  const groups = new Map<string, { key: string[]; rows: number; sum: ReturnType<typeof openSum> }>()
  for (const file of files) {
    for await (const rows of fieldsOf(file, names, signal)) {
      for (const [text = '', invoice, currency, start = '', ...accounts] of rows) {
        if (month !== undefined && !month(start)) continue
        const account = accounts.map(filled).find((each) => each !== '') ?? told.unknown ?? ''
        const key = [account, filled(invoice), filled(currency)]
        const id = key.join('\u001f')
        let group = groups.get(id)
        if (group === undefined) {
          if (groups.size >= mostGroups) return { uncounted: `its rows are of more than ${mostGroups} invoices` }
          groups.set(id, (group = { key, rows: 0, sum: openSum() }))
        }
        group.rows += 1
        const amount = filled(text)
        if (amount !== '' && !group.sum.add(amount))
          return {
            uncounted: `${file.name}: ${told.cost}: expected a decimal, got ${JSON.stringify(amount.slice(0, 40))}`,
          }
      }
    }
  }
  const orNull = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text)
  const amounts = [...groups.values()].map(({ key: [account, invoice, currency], rows, sum }) => ({
    ...{ billing_account_id: orNull(account), invoice_id: orNull(invoice), currency: orNull(currency) },
    ...{ row_count: rows, amount: sum.text() },
  }))
  return { amounts }
}

/** Values of Parquet as the text that CSV of the same export would have. */
import type { FileMetaData, ParquetParsers, SchemaElement, SchemaTree } from 'hyparquet'

const utf8 = new TextDecoder('utf-8', { fatal: true })
const textOfBytes = (bytes: Uint8Array): string => {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw new TypeError('expected UTF-8, got other bytes', { cause: error })
  }
}
const dayMs = 86_400_000
/** An instant in UTC, with as many digits of the second as it has: none, 3, or 6. */
const instantOf = (micros: bigint): string => {
  const rest = ((micros % 1000n) + 1000n) % 1000n
  const iso = new Date(Number((micros - rest) / 1000n)).toISOString()
  if (rest !== 0n) return `${iso.slice(0, -1)}${String(rest).padStart(3, '0')}Z`
  return iso.replace('.000Z', 'Z')
}
/** How hyparquet's values come out. Decimals do not come by here: it would make them floats. */
export const parsers: ParquetParsers = {
  timestampFromMilliseconds: (millis) => instantOf(millis * 1000n),
  timestampFromMicroseconds: (micros) => instantOf(micros),
  timestampFromNanoseconds: (nanos) => {
    if (nanos % 1000n !== 0n)
      throw new RangeError(
        `expected an instant of whole microseconds, got ${instantOf(nanos / 1000n)} and ${nanos % 1000n} nanoseconds`,
      )
    return instantOf(nanos / 1000n)
  },
  dateFromDays: (days) => new Date(days * dayMs).toISOString().slice(0, 10),
  stringFromBytes: (bytes) => textOfBytes(bytes),
  jsonFromBytes: (bytes) => textOfBytes(bytes),
  geometryFromBytes: () => {
    throw new TypeError('geometry is not supported')
  },
  geographyFromBytes: () => {
    throw new TypeError('geography is not supported')
  },
  uuidFromBytes: (bytes) =>
    Buffer.from(bytes)
      .toString('hex')
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
}

type Scales = ReadonlyMap<SchemaElement, number>
/**
 * Takes from the file's schema what hyparquet reads with loss, and gives the scales of its decimals: those come as
 * whole numbers, and maps as lists of pairs, which have a key as often as the file has it.
 */
export const prepare = ({ schema }: FileMetaData): Scales => {
  const scales = new Map<SchemaElement, number>()
  for (const element of schema) {
    const { logical_type: logical } = element
    if (element.converted_type === 'DECIMAL' || logical?.type === 'DECIMAL') {
      scales.set(element, logical?.type === 'DECIMAL' ? logical.scale : (element.scale ?? 0))
      delete element.converted_type
      delete element.logical_type
    }
    if (element.converted_type === 'MAP' || element.converted_type === 'MAP_KEY_VALUE') {
      delete element.converted_type
      element.logical_type = { type: 'MAP' }
    }
  }
  return scales
}
export const isNested = ({ children, element }: SchemaTree): boolean =>
  children.length > 0 || element.repetition_type === 'REPEATED'

const wholeOf = (value: unknown): bigint => {
  if (!(value instanceof Uint8Array)) return BigInt(value as number | bigint)
  const digits = value.length === 0 ? 0n : BigInt(`0x${Buffer.from(value).toString('hex')}`)
  return BigInt.asIntN(value.length * 8, digits)
}
/** Digits with a point, as many after it as the scale says. */
const decimalText = (value: unknown, scale: number): string => {
  const whole = wholeOf(value)
  const digits = String(whole < 0n ? -whole : whole).padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return whole < 0n ? `-${text}` : text
}
/** The shortest text that is the same double; plain between 1e-4 and 1e16, as DuckDB writes it. */
const doubleText = (value: number): string => {
  const size = Math.abs(value)
  if (Object.is(value, -0)) return '-0'
  return size === 0 || (size >= 1e-4 && size < 1e16) || !Number.isFinite(value) ? String(value) : value.toExponential()
}
/** The shortest text that is the same single. */
const floatText = (value: number): string => {
  for (let digits = 1; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return doubleText(short)
  }
  return doubleText(value)
}
const leafText = (element: SchemaElement, scales: Scales): ((value: unknown) => string) => {
  const scale = scales.get(element)
  if (scale !== undefined) return (value) => decimalText(value, scale)
  if (element.type === 'FLOAT') return (value) => floatText(value as number)
  if (element.type === 'DOUBLE') return (value) => doubleText(value as number)
  if (/^TIME_/.test(element.converted_type ?? '') || element.logical_type?.type === 'TIME')
    return () => {
      throw new TypeError('a time of day is not supported')
    }
  if (element.type === 'FIXED_LEN_BYTE_ARRAY' && element.logical_type?.type !== 'UUID')
    return () => {
      throw new TypeError('bytes that are no text are not supported')
    }
  return (value) => (value instanceof Uint8Array ? textOfBytes(value) : String(value))
}

/** Whether the one child of an element is the repeated one of a map or a list. */
const isRepeated = (tree: SchemaTree | undefined): tree is SchemaTree => tree?.element.repetition_type === 'REPEATED'
const isMap = ({ element, children }: SchemaTree): boolean =>
  element.logical_type?.type === 'MAP' && isRepeated(children[0]) && children[0].children.length === 2
const isList = ({ element, children }: SchemaTree): boolean =>
  (element.converted_type === 'LIST' || element.logical_type?.type === 'LIST') && isRepeated(children[0])

/** Whether JSON has the value as a string, not as a number or a truth. */
const isQuoted = (element: SchemaElement, scales: Scales): boolean =>
  !scales.has(element) &&
  (/^(BYTE_ARRAY|FIXED_LEN_BYTE_ARRAY|INT96)$/.test(element.type ?? '') ||
    /DATE|TIMESTAMP/.test(`${element.converted_type ?? ''}${element.logical_type?.type ?? ''}`))

/** A nested value as text of JSON. Of a key that a map has twice the last one counts, as in text of JSON. */
const jsonReader = (tree: SchemaTree, scales: Scales, repeated = isRepeated(tree)): ((value: unknown) => string) => {
  const { element, children } = tree
  const orNull = (read: (value: unknown) => string) => (value: unknown) =>
    value === null || value === undefined ? 'null' : read(value)
  if (isMap(tree)) {
    const [pairs] = children
    const [key, value] = pairs?.children ?? []
    if (pairs === undefined || key === undefined || value === undefined)
      throw new TypeError('a map without key and value')
    const [readKey, readValue] = [leafText(key.element, scales), jsonReader(value, scales)]
    return orNull((map) => {
      const entries = (map as Record<string, unknown>)[pairs.element.name] as Record<string, unknown>[] | undefined
      const members = new Map<string, string>()
      for (const entry of entries ?? [])
        members.set(readKey(entry[key.element.name]), readValue(entry[value.element.name]))
      return `{${[...members].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`
    })
  }
  if (repeated || isList(tree)) {
    const inner = repeated ? tree : (children[0]?.children[0] ?? children[0])
    const read = jsonReader(inner ?? tree, scales, false)
    return orNull((list) => `[${(list as unknown[]).map((each) => read(each)).join(',')}]`)
  }
  if (children.length > 0) {
    const fields = children.map((child) => ({ name: child.element.name, read: jsonReader(child, scales) }))
    return orNull(
      (record) =>
        `{${fields.map(({ name, read }) => `${JSON.stringify(name)}:${read((record as Record<string, unknown>)[name])}`).join(',')}}`,
    )
  }
  const read = leafText(element, scales)
  return orNull(isQuoted(element, scales) ? (value) => JSON.stringify(read(value)) : read)
}

/** How a value of a column becomes text; null is NULL. Texts that are alike are one. */
export const textReader = (tree: SchemaTree, scales: Scales): ((value: unknown) => string | null) => {
  const nested = isNested(tree)
  const read = nested ? jsonReader(tree, scales) : leafText(tree.element, scales)
  const known = new Map<string, string>()
  return (value) => {
    if (value === null || value === undefined) return null
    const text = read(value)
    if (!nested) return text
    const same = known.get(text)
    if (same !== undefined) return same
    if (known.size < 100_000) known.set(text, text)
    return text
  }
}

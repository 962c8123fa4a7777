/**
 * JSON from outside: what JSON.parse lets pass silently is refused here first. One linear walk over the text, no
 * recursion.
 */
import { brokenText } from './contracts.ts'

const deepest = 20
const forbidden = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * The value of the text, or the fault of what is no JSON, of forbidden or repeated keys, of half characters, and of
 * nesting deeper than 20.
 */
export const readJson = (text: string): { value: unknown } | { fault: string } => {
  const fault = text === '{}' ? undefined : scan(text)
  if (fault !== undefined) return { fault }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { fault: 'body: expected JSON, got something that does not parse; check quotes and commas' }
  }
  const where = brokenText(text, value)
  return where === undefined
    ? { value }
    : { fault: `${where}: expected whole characters, got half of one (a lone surrogate)` }
}

/** Ends of strings are found exactly; everything else is left to JSON.parse. */
const scan = (text: string): string | undefined => {
  /** Keys of each open object; undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char === 0x7b || char === 0x5b) {
      open.push(char === 0x7b ? new Set() : undefined)
      if (open.length > deepest) return `body: nested deeper than ${deepest} levels; send a flatter object`
    } else if (char === 0x7d || char === 0x5d) {
      open.pop()
    } else if (char === 0x22) {
      const end = endOfString(text, at)
      if (end < 0) return undefined
      const keys = open.at(-1)
      const fault = keys !== undefined && isKey(text, end) ? addKey(keys, text.slice(at, end + 1)) : undefined
      if (fault !== undefined) return fault
      at = end
    }
  }
  return undefined
}

const endOfString = (text: string, start: number): number => {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char === 0x5c) at += 1
    else if (char === 0x22) return at
  }
  return -1
}

const isKey = (text: string, end: number): boolean => {
  let at = end + 1
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1
  return text.charAt(at) === ':'
}

const addKey = (keys: Set<string>, quoted: string): string | undefined => {
  let key: string
  try {
    // Escapes are decoded, for "\u005f_proto__" is the same key.
    key = JSON.parse(quoted) as string
  } catch {
    return undefined
  }
  if (forbidden.has(key)) return `body: the key ${key} is not allowed`
  if (keys.has(key)) return `body: the key ${key.slice(0, 64)} was sent more than once`
  keys.add(key)
  return undefined
}

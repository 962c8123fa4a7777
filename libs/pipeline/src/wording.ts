/** Words of faults: values as they are shown, places in a file, lists, and the name that was meant. */
import { distance } from 'fastest-levenshtein'

export type Path = readonly (string | number)[]

/**
 * The nearest of the names, if it is near enough to be meant: a letter in three is wrong, or letters have changed
 * places.
 */
export const nearest = (word: string, names: Iterable<string>): string | undefined => {
  const cut = word.slice(0, 100).toLowerCase()
  const letters = (text: string) => Array.from(text).sort().join('')
  const far = (name: string) => {
    if (name === cut) return 0
    return letters(name) === letters(cut) ? 1 : distance(cut, name)
  }
  const [best] = [...names]
    .map((name) => ({ name, far: far(name) }))
    .sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
  return best !== undefined && best.far <= Math.min(cut.length - 1, Math.max(1, Math.floor(cut.length / 3)))
    ? best.name
    : undefined
}
export const didYouMean = (word: string, names: Iterable<string>): string => {
  const name = nearest(word, names)
  return name === undefined ? '' : `, did you mean "${name}"?`
}

/** steps[0].source.query */
export const showPath = (path: Path): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
/** The value as JSON, cut. */
export const show = (value: unknown): string => {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) return 'nothing'
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
export const orList = (given: readonly string[]): string => {
  const words = [...new Set(given)]
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${String(words.at(-1))}`
}

/** What people write of a dataset or a table: description, friendly name, labels. */
import { textOf } from '../text-of.ts'
import { labelsAt, objectAt, textAt } from './wire.ts'
import type { Json } from './wire.ts'

export const textsOf = (body: Json) => {
  const [description, friendly_name, labels] = [
    textAt(body, 'description'),
    textAt(body, 'friendlyName'),
    labelsAt(body),
  ]
  return {
    ...(description === undefined ? {} : { description }),
    ...(friendly_name === undefined ? {} : { friendly_name }),
    ...(labels === undefined ? {} : { labels }),
  }
}
/** PATCH: what is named is changed, null removes; of labels each by itself. */
export const patchedTexts = <
  T extends { description?: string; friendly_name?: string; labels?: Record<string, string> },
>(
  spec: T,
  body: Json,
  replace: boolean,
): T => {
  const made = { ...spec }
  if (replace || 'description' in body) {
    delete made.description
    const text = textAt(body, 'description')
    if (text !== undefined) made.description = text
  }
  if (replace || 'friendlyName' in body) {
    delete made.friendly_name
    const text = textAt(body, 'friendlyName')
    if (text !== undefined) made.friendly_name = text
  }
  if (replace || 'labels' in body) {
    const given = objectAt(body, 'labels')
    const known = replace || given === undefined ? {} : (spec.labels ?? {})
    made.labels = Object.fromEntries([
      ...Object.entries(known).filter(([key]) => given === undefined || !(key in given)),
      ...Object.entries(given ?? {}).flatMap(([key, value]) => (value === null ? [] : [[key, textOf(value)] as const])),
    ])
  }
  return made
}

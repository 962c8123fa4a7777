/** The functions that may be called, by upper-case name. What is not in these tables is refused. */
import { arrayFunctions } from './functions/arrays.ts'
import { conditionFunctions } from './functions/conditions.ts'
import { dateFunctions } from './functions/dates.ts'
import { jsonFunctions } from './functions/json.ts'
import { numberFunctions } from './functions/numbers.ts'
import { regexpFunctions } from './functions/regexp.ts'
import type { ScalarFunction } from './functions/signature.ts'
import { stringFunctions } from './functions/strings.ts'

export const functions: ReadonlyMap<string, ScalarFunction> = new Map(
  Object.entries<ScalarFunction>({
    ...conditionFunctions,
    ...numberFunctions,
    ...stringFunctions,
    ...regexpFunctions,
    ...dateFunctions,
    ...arrayFunctions,
    ...jsonFunctions,
  }),
)

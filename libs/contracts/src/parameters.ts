/** How much a run may be asked with: it travels whole, in each message of the run. */
import { isSystemPipeline } from './names.ts'

const most = 32_768
/** The platform's own runs carry what was put: rates, rules, settings of a source. */
const mostOfPlatform = 131_072

/** What is wrong with the size of a run's parameters, or nothing. Bytes are those of their JSON. */
export const parametersFault = (
  pipeline: string,
  parameters: Readonly<Record<string, unknown>>,
): string | undefined => {
  const bound = isSystemPipeline(pipeline) ? mostOfPlatform : most
  const bytes = new TextEncoder().encode(JSON.stringify(parameters)).length
  return bytes > bound ? `parameters expected at most ${bound} bytes in all, got ${bytes}` : undefined
}

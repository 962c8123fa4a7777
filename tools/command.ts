/**
 * What every command of tools/ does the same way: `--help` prints the usage and has no other effect, a wrong argument
 * is refused with the usage, a fault is one plain message. Exit codes: 1 failed, 2 wrong use, 78 a setting is wrong.
 */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { AppError } from '@convergence/contracts'

type Options = NonNullable<ParseArgsConfig['options']>
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O; allowPositionals: true }>>['values']

export interface Command<O extends Options> {
  /** `npm run NAME`, or `npm start`. */
  name: string
  /** What may follow `--`, as the usage shows it. */
  synopsis?: string
  /** What it does, and a line for each option. */
  help: string
  options?: O
  /** Default: none is taken. */
  positionals?: boolean
}

/** Wrong use of a command: the usage is shown, the exit code is 2. */
export class UsageError extends Error {}

export const usageOf = ({ name, synopsis, help }: Command<Options>): string =>
  `${name}${synopsis === undefined ? '' : ` -- ${synopsis}`}\n\n${help.trim()}`

const report = (command: Command<Options>, error: unknown): void => {
  if (error instanceof UsageError) {
    console.error(`convergence: ${error.message}\n\n${usageOf(command)}`)
    process.exit(2)
  }
  if (error instanceof AppError) {
    console.error(`convergence: ${[error.message, ...error.faults].join('\n  ')}`)
    process.exit(error.code === 'SETTING_INVALID' || error.code === 'CONFIG_INVALID' ? 78 : 1)
  }
  console.error(error)
  process.exit(1)
}

/** Runs `work` with what was given; ends the process on a fault. */
export const runCommand = async <O extends Options>(
  command: Command<O>,
  work: (values: Values<O>, positionals: string[]) => Promise<void> | void,
): Promise<void> => {
  try {
    let parsed
    try {
      parsed = parseArgs({
        options: { ...(command.options ?? {}), help: { type: 'boolean', short: 'h' } },
        allowPositionals: command.positionals === true,
      })
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error))
    }
    const { help, ...values } = parsed.values as Record<string, unknown>
    if (help === true) {
      console.log(usageOf(command))
      return
    }
    await work(values as Values<O>, parsed.positionals)
  } catch (error) {
    report(command, error)
  }
}

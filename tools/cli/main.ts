#!/usr/bin/env node
/**
 * `npx convergence`: the command line for authors, tenants and operators. It speaks to the REST API and to nothing
 * else. Exit status: 0 done, 1 the run or check failed, 2 wrong use, 3 refused by the server, 4 server not reached.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { Failed, Refused, Unreachable, WrongUse } from './connection.ts'
import { allocationCommands } from './allocation.ts'
import { backfillCommands } from './backfills.ts'
import { costCommands } from './costs.ts'
import { focusCommands } from './focus.ts'
import { keyCommands } from './keys.ts'
import { recordCommands } from './records.ts'
import { runCommands } from './runs.ts'
import { scheduleCommands } from './schedules.ts'
import { sourceCommands } from './sources.ts'
import { formats } from './output.ts'
import { tenantCommands } from './tenants.ts'

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  version: string
}

const statusOf = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof WrongUse || error instanceof InvalidArgumentError) return 2
  if (error instanceof Refused) return 3
  return error instanceof Unreachable ? 4 : 1
}

/** Options that every command takes. */
const common = (command: Command): Command =>
  command
    .addOption(new Option('--url <address>', 'the platform (CONVERGENCE_URL; default http://127.0.0.1:8000)'))
    .addOption(new Option('--key <key>', 'API key of a tenant (CONVERGENCE_API_KEY)'))
    .addOption(new Option('--admin-key <key>', 'admin key (CONVERGENCE_ADMIN_KEY; for npm start here none is needed)'))
    .addOption(new Option('-t, --tenant <id>', 'the tenant; default: whose the key is'))
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(formats).default('table'))

export const program = (): Command => {
  const root = new Command('convergence')
    .description('Runs, sources, costs and tenants of the Convergence platform')
    .version(version, '-V, --version', 'print the version')
    // What follows the name of a command belongs to that command, also where the one above has an option of the name.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError()
  const groups = [
    runCommands,
    backfillCommands,
    scheduleCommands,
    sourceCommands,
    costCommands,
    allocationCommands,
    focusCommands,
    recordCommands,
    tenantCommands,
    keyCommands,
  ]
  for (const group of groups) group(root, common)
  return root
}

/** Runs the command line; returns its exit status. */
export const runCli = async (words: readonly string[]): Promise<number> => {
  try {
    await program().parseAsync([...words], { from: 'user' })
    return 0
  } catch (error) {
    const told = error instanceof CommanderError || error instanceof Failed
    if (!told) console.error(`convergence: ${error instanceof Error ? error.message : String(error)}`)
    return statusOf(error)
  }
}

if (import.meta.main) process.exitCode = await runCli(process.argv.slice(2))

/**
 * `npm run apply [-- --dry-run]`: makes what schemas/ names and the chosen side lacks: topics, subscriptions with their
 * dead letters, the
 * central dataset, its tables and views. Safe to repeat; nothing is taken away. The side is chosen as by a service:
 * RUNTIME=gcp with
 * GCP_PROJECT_ID and BIGQUERY_LOCATION, or a local cloud by PUBSUB_EMULATOR_HOST and BIGQUERY_EMULATOR_HOST.
 */
// eslint-disable-next-line no-restricted-imports -- the door makes topics and does not list them: nothing else needs it
import { PubSub } from '@google-cloud/pubsub'
import { allSubscriptions, ensureTopology } from '@convergence/bus'
import { openGoogleBus } from '@convergence/bus/google'
import { AppError, centralDataset, deadLetterName, isName, tables, topics, views } from '@convergence/contracts'
import { bootstrap, openLog } from '@convergence/service'
import { openWarehouse } from '@convergence/warehouse'
import { openBigQuery } from '@convergence/warehouse/google'
import { runCommand } from './command.ts'

export interface Side {
  project_id: string
  location: string
  pubsub?: string
  bigquery?: string
}
export interface Applied {
  kind: 'topic' | 'subscription' | 'dataset' | 'table' | 'view'
  name: string
  was_there: boolean
}

export const sideOf = (env: Readonly<Record<string, string | undefined>>): Side => {
  const faults: string[] = []
  const gcp = env['RUNTIME'] === 'gcp'
  if (env['RUNTIME'] && !gcp && env['RUNTIME'] !== 'local')
    faults.push(`RUNTIME expected local or gcp, got ${JSON.stringify(env['RUNTIME'])}`)
  const project_id = env['GCP_PROJECT_ID'] || (gcp ? '' : 'local-convergence')
  if (!isName('project_id', project_id))
    faults.push(
      `GCP_PROJECT_ID expected a Google Cloud project id such as acme-prod, ` +
        `got ${JSON.stringify(project_id)}; gcloud projects list shows yours`,
    )
  const location = env['BIGQUERY_LOCATION'] || (gcp ? '' : 'EU')
  if (!/^[A-Za-z][A-Za-z0-9-]{1,30}$/.test(location))
    faults.push(
      `BIGQUERY_LOCATION expected a BigQuery location such as EU or europe-west3, got ${JSON.stringify(location)}`,
    )
  if (gcp)
    for (const name of Object.keys(env))
      if (env[name] && name.endsWith('_EMULATOR_HOST'))
        faults.push(`${name} expected nothing with RUNTIME=gcp; unset it`)
  if (faults.length > 0)
    throw new AppError(
      'SETTING_INVALID',
      `${faults.length === 1 ? '1 setting is' : `${faults.length} settings are`} wrong, nothing was made`,
      { faults },
    )
  return {
    project_id,
    location,
    ...(gcp
      ? {}
      : {
          pubsub: env['PUBSUB_EMULATOR_HOST'] || '127.0.0.1:8085',
          bigquery: env['BIGQUERY_EMULATOR_HOST'] || 'http://127.0.0.1:9050',
        }),
  }
}

/** What is there and, unless `dry_run`, what was made because it was not. */
export const apply = async (
  { project_id, location, pubsub, bigquery }: Side,
  { dry_run }: { dry_run: boolean },
): Promise<Applied[]> => {
  const log = openLog({ service: 'apply', level: 'warn' })
  const lister = new PubSub({
    projectId: project_id,
    ...(pubsub === undefined ? {} : { apiEndpoint: pubsub, emulatorMode: true }),
  })
  const port = openGoogleBus({ project_id, log, ...(pubsub === undefined ? {} : { api_endpoint: pubsub }) })
  const engine = openBigQuery({
    project_id,
    location,
    log,
    ...(bigquery === undefined ? {} : { api_endpoint: bigquery }),
  })
  const warehouse = openWarehouse({ engine, random: Math.random })
  try {
    const short = (path: string) => path.split('/').at(-1) ?? path
    const listed = async (): Promise<[Set<string>, Set<string>]> => {
      try {
        const gaxOpts = { timeout: 15_000, retry: null }
        const [[known_topics], [known_subscriptions]] = await Promise.all([
          lister.getTopics({ gaxOpts }),
          lister.getSubscriptions({ gaxOpts }),
        ])
        return [
          new Set(known_topics.map(({ name }) => short(name))),
          new Set(known_subscriptions.map(({ name }) => short(name))),
        ]
      } catch (error) {
        throw new AppError(
          'SETTING_INVALID',
          `Pub/Sub ${pubsub === undefined ? `of ${project_id}` : `at ${pubsub}`} does not list its topics: ` +
            (error instanceof Error ? error.message : String(error)),
          { cause: error },
        )
      }
    }
    const [known_topics, known_subscriptions] = await listed()
    const all = allSubscriptions()
    const wanted_topics = [...topics, ...all.map(({ name }) => deadLetterName(name))]
    const wanted_subscriptions = all.flatMap(({ name }) => [name, deadLetterName(name)])
    const had_dataset = (await warehouse.getDataset(centralDataset)) !== undefined
    const central_views = Object.entries(views)
      .filter(([, query]) => !query.includes('{tenant_id}'))
      .map(([view]) => view)
    const isThere = async (table: string): Promise<boolean> => {
      try {
        await warehouse.dryRun({ query: `SELECT 1 FROM \`${project_id}.tenants.${table}\`` })
        return true
      } catch (error) {
        if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND') return false
        throw error
      }
    }
    const thereOf = async (names: readonly string[]) =>
      new Map(
        await Promise.all(
          names.map(async (name): Promise<[string, boolean]> => [name, had_dataset && (await isThere(name))]),
        ),
      )
    const had_tables = await thereOf(Object.values(tables).map(({ table }) => table))
    const had_views = await thereOf(central_views)
    if (!dry_run) {
      await ensureTopology(port)
      await bootstrap(warehouse, {})
    }
    return [
      ...wanted_topics.map((name): Applied => ({ kind: 'topic', name, was_there: known_topics.has(name) })),
      ...wanted_subscriptions.map((name): Applied => ({
        kind: 'subscription',
        name,
        was_there: known_subscriptions.has(name),
      })),
      { kind: 'dataset', name: centralDataset, was_there: had_dataset },
      ...[...had_tables].map(([name, was_there]): Applied => ({ kind: 'table', name: `tenants.${name}`, was_there })),
      ...[...had_views].map(([name, was_there]): Applied => ({ kind: 'view', name: `tenants.${name}`, was_there })),
    ]
  } finally {
    await Promise.all([lister.close(), port.close(), warehouse.close()])
  }
}

const main = async (dry_run: boolean) => {
  const side = sideOf(process.env)
  if (side.pubsub !== undefined) process.env['METADATA_SERVER_DETECTION'] ??= 'none'
  const google = `of Google Cloud, ${side.location}`
  console.log(
    `${side.project_id}: Pub/Sub ${side.pubsub ?? 'of Google Cloud'}, BigQuery ${side.bigquery ?? google}` +
      (dry_run ? ', nothing is made' : ''),
  )
  const done = await apply(side, { dry_run })
  for (const { kind, name, was_there } of done)
    if (!was_there) console.log(`  ${dry_run ? 'would make' : 'made'}  ${kind.padEnd(12)} ${name}`)
  const there = done.filter(({ was_there }) => was_there).length
  console.log(`  ${done.length - there} ${dry_run ? 'to be made' : 'made'}, ${there} were there`)
}

const help = `
Makes topics, subscriptions, dataset, tables and views that are missing: at the local cloud, or with RUNTIME=gcp on
Google Cloud. What is there stays as it is.

  --dry-run   says what would be made, and makes nothing

Settings: RUNTIME, GCP_PROJECT_ID, BIGQUERY_LOCATION, PUBSUB_EMULATOR_HOST, BIGQUERY_EMULATOR_HOST.
`

if (import.meta.main)
  await runCommand(
    {
      name: 'npm run apply',
      synopsis: '[--dry-run]',
      help,
      options: { 'dry-run': { type: 'boolean', default: false } },
    },
    async ({ 'dry-run': dry_run }) => {
      await main(dry_run)
      process.exit(0)
    },
  )

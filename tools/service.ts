/** `npm run service -- <name>`: one service as its own process, against whatever the environment names. */
import { serviceNames } from '@convergence/contracts'
import { runService, type ServiceMain } from '@convergence/service/run'
import { runCommand, UsageError } from './command.ts'
import { loadEnvFile } from './settings.ts'

const help = `
Starts one service in a process of its own, until a signal: ${serviceNames.join(', ')}.
It finds the local cloud, or with RUNTIME=gcp Google Cloud, by the environment and by .env; services/NAME/README.md
lists its settings.
`

await runCommand({ name: 'npm run service', synopsis: 'NAME', help, positionals: true }, async (_, [name, ...more]) => {
  const known = serviceNames.find((each) => each === name)
  if (known === undefined || more.length > 0) {
    const got = name === undefined ? 'nothing' : JSON.stringify([name, ...more].join(' '))
    throw new UsageError(`expected one of ${serviceNames.join(', ')}, got ${got}`)
  }
  loadEnvFile()
  const { main } = (await import(`../services/${known}/src/main.ts`)) as { main: ServiceMain }
  await runService(main)
})

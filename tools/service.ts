/** `npm run service -- <name>`: one service as its own process, against whatever the environment names. */
import { serviceNames } from '@convergence/contracts'
import { runService, type ServiceMain } from '@convergence/service/run'

const [name] = process.argv.slice(2)
const known = serviceNames.find((each) => each === name)
if (known === undefined) {
  const got = name === undefined ? 'nothing' : JSON.stringify(name)
  console.error(`convergence: expected one of ${serviceNames.join(', ')}, got ${got}: npm run service -- auth`)
  process.exit(2)
}
const { main } = (await import(`../services/${known}/src/main.ts`)) as { main: ServiceMain }
await runService(main)

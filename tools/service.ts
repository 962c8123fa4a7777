/** `npm run service -- <name>`: one service as its own process, against whatever the environment names. */
import { serviceNames } from '@convergence/contracts'

const name = process.argv[2]
const known = serviceNames.find((each) => each === name)
if (known === undefined) {
  console.error(
    `convergence: expected one of ${serviceNames.join(', ')}, got ${name === undefined ? 'nothing' : JSON.stringify(name)}: npm run service -- auth`,
  )
  process.exit(2)
}
await import(`../services/${known}/src/main.ts`)

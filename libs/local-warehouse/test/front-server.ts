/** A process of its own with the front, for a test that kills it: folder as argument, the port on stdout. */
import { openBigQueryFront } from '../src/front.ts'
import { openEngine } from '../src/engine.ts'

const engine = await openEngine({ folder: process.argv[2] ?? '', project_id: 'local-convergence' })
const front = await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 })
console.log(front.port)

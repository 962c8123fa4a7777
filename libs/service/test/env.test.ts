import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'chai'
import { serviceNames, type AppError } from '@convergence/contracts'
import { isLocalMode, readEnvironment, readEnvSchema } from '../src/env.ts'

const setup = () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-env-'))
  const file = join(folder, 'env.schema.json')
  writeFileSync(
    file,
    JSON.stringify({
      documented: 'here.md',
      type: 'object',
      properties: {
        RUNTIME: { $ref: 'env#/$defs/RUNTIME' },
        API_PORT: { $ref: 'env#/$defs/API_PORT' },
        PUBSUB_EMULATOR_HOST: { $ref: 'env#/$defs/PUBSUB_EMULATOR_HOST' },
        TOKEN: { pattern: '^t-', secret: true, expected: 'a token', make: 'make token makes one' },
      },
      required: ['TOKEN'],
    }),
  )
  return {
    read: (env: Record<string, string>) => readEnvironment(file, env),
    faults: (env: Record<string, string>): readonly string[] => {
      try {
        readEnvironment(file, env)
      } catch (error) {
        return (error as AppError).faults
      }
      return []
    },
    close: () => {
      rmSync(folder, { recursive: true })
    },
  }
}

it('the settings of the services are described in valid JSON Schema', () => {
  const root = join(import.meta.dirname, '../../..')
  const ajv = new Ajv2020({ strict: false })
  for (const folder of ['libs/service', ...serviceNames.map((name) => `services/${name}`)])
    expect(ajv.validateSchema(readEnvSchema(join(root, folder, 'env.schema.json'))), folder).to.equal(true)
})

describe('environment of a service', () => {
  let world: ReturnType<typeof setup>
  beforeEach(() => {
    world = setup()
  })
  afterEach(() => {
    world.close()
  })

  it('takes what it knows, fills in defaults, and takes an empty variable as none', () => {
    expect(world.read({ TOKEN: 't-1', API_PORT: '', OTHER: 'x' })).to.deep.equal({
      TOKEN: 't-1',
      API_PORT: '8000',
      RUNTIME: 'local',
    })
  })
  it('tells all faults at once: the variable, what was expected, what came, how it is made, where that is written', () => {
    expect(world.faults({ API_PORT: '65536', RUNTIME: 'aws' })).to.have.members([
      'API_PORT expected a whole number from 0 to 65535, got "65536" (here.md)',
      'RUNTIME expected local or gcp, got "aws" (here.md)',
      'TOKEN expected a token, got nothing; make token makes one (here.md)',
    ])
    expect(world.faults({ TOKEN: '' })).to.have.length(1)
  })
  it('never tells a secret', () => {
    expect(world.faults({ TOKEN: 'hunter2' })).to.deep.equal([
      'TOKEN expected a token, got something else (not shown: it is a secret); make token makes one (here.md)',
    ])
  })
  it('DISABLE_AUTH is taken in local mode alone: each of 64 environments', () => {
    for (let row = 0; row < 64; row += 1) {
      const on = (bit: number) => (row & (1 << bit)) !== 0
      const env: Record<string, string> = {
        TOKEN: 't-1',
        ...(on(0) ? { RUNTIME: 'gcp' } : {}),
        ...(on(1) ? { KUBERNETES_SERVICE_HOST: '10.0.0.1' } : {}),
        ...(on(2) ? { K_SERVICE: 'auth' } : {}),
        ...(on(3) ? { LISTEN_HOST: '0.0.0.0' } : { LISTEN_HOST: '127.0.0.1' }),
        ...(on(4) ? { PUBSUB_EMULATOR_HOST: 'pubsub:8085' } : { PUBSUB_EMULATOR_HOST: '127.0.0.1:8085' }),
        DISABLE_AUTH: on(5) ? 'true' : 'false',
      }
      const local = (row & 31) === 0
      expect(isLocalMode(env), JSON.stringify(env)).to.equal(local)
      expect(
        world.faults(env).some((fault) => fault.startsWith('DISABLE_AUTH')),
        JSON.stringify(env),
      ).to.equal(on(5) && !local)
    }
  })
})

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { schemasFolder } from '@convergence/contracts'
import { inWorld } from './fakes.ts'

const file = join(schemasFolder, 'openapi.yaml')
const head =
  '# The REST API. Made from the declarations of the routes in services/auth; UPDATE_OPENAPI=1 npx mocha services/auth/test/openapi.test.ts writes it anew.\n'

/** Block YAML; scalars as JSON has them, which is YAML too. */
const yamlOf = (value: unknown, indent = ''): string => {
  if (value === null || typeof value !== 'object' || Object.keys(value).length === 0)
    return ` ${JSON.stringify(value)}\n`
  const inner = `${indent}  `
  if (Array.isArray(value))
    return `\n${value.map((item) => `${indent}-${yamlOf(item, inner).replace(/^\n\s+/, ' ')}`).join('')}`
  return `\n${Object.entries(value)
    .map(
      ([name, item]) =>
        `${indent}${/^[A-Za-z_][A-Za-z0-9_-]*$/.test(name) ? name : JSON.stringify(name)}:${yamlOf(item, inner)}`,
    )
    .join('')}`
}

describe('the description of the API', () => {
  it('is what the router serves: openapi.yaml, openapi.json and the routes are the same', () =>
    inWorld({}, async (world) => {
      const served = (await world.call('GET', '/api/v1/openapi.json')).body
      const text = head + yamlOf(served).trimStart()
      if (process.env['UPDATE_OPENAPI'] === '1') writeFileSync(file, text)
      expect(readFileSync(file, 'utf8')).to.equal(text)
      const described = Object.entries(served['paths'] as unknown as Record<string, Record<string, unknown>>).flatMap(
        ([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
      )
      const routed = world.door.routes.flatMap(({ method, path, aliases }) =>
        [path, ...(aliases ?? [])].map((one) => `${method} ${one.replaceAll(/:([a-z_]+)/g, '{$1}')}`),
      )
      expect(described.sort()).to.deep.equal(routed.sort())
    }))
})

describe('docs/API.md', () => {
  it('names only routes that are served', () =>
    inWorld({}, async (world) => {
      const page = readFileSync(join(schemasFolder, '../docs/API.md'), 'utf8')
      const served = world.door.routes.flatMap(({ method, path, aliases }) =>
        [path, ...(aliases ?? [])].map((one) => ({
          method,
          form: new RegExp(`^${one.replaceAll(/:[a-z_]+/g, '[^/]+')}$`),
        })),
      )
      const named = [...page.matchAll(/\b(GET|POST|PUT|DELETE) +(\/[^\s?`]*)/g)].map(([, method = '', path = '']) => ({
        method,
        path: path.replace(/[.,;]+$/, '').replaceAll('...', ''),
      }))
      expect(named.length).to.be.greaterThan(10)
      for (const { method, path } of named)
        expect(
          served.some((route) => route.method === method && route.form.test(path.replace(/r_(?=\/|$)/, 'r_x'))),
          `${method} ${path}`,
        ).to.equal(true)
    }))
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { parse } from 'yaml'
import { schemasFolder } from '@convergence/contracts'
import { inWorld } from './fakes.ts'

describe('the description of the API', () => {
  it('is what the router serves: openapi.yaml, openapi.json and the routes are the same', () =>
    inWorld({}, async (world) => {
      const served = (await world.call('GET', '/api/v1/openapi.json')).body
      expect(parse(readFileSync(join(schemasFolder, 'openapi.yaml'), 'utf8'))).to.deep.equal(served)
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

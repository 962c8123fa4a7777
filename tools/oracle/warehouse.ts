/** The local warehouse, asked as Google's client asks it: a job of a statement, its rows as the REST API has them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError, type Column } from '@convergence/contracts'
import { openEngine } from '@convergence/local-warehouse'
import type { Answer, Shape, Value } from './answer.ts'

export interface QueryParameter {
  name: string
  type: string
  value: unknown
}
export interface Warehouse {
  /** Answers a query, or does what a statement says. */
  ask(query: string, parameters?: readonly QueryParameter[]): Promise<Answer>
  close(): Promise<void>
}
interface Wire {
  v: unknown
}

const shapeOf = (column: Column): Shape => {
  const one: Shape =
    column.type === 'STRUCT'
      ? {
          kind: 'struct',
          fields: (column.fields ?? []).map((field) => ({ name: field.name, shape: shapeOf(field) })),
        }
      : { kind: 'scalar', type: column.type }
  return column.mode === 'REPEATED' ? { kind: 'array', of: one } : one
}
const valueOf = (shape: Shape, cell: unknown): Value => {
  if (cell === null || cell === undefined) return null
  if (typeof cell === 'string') return cell
  if (shape.kind === 'array') return (cell as Wire[]).map(({ v }) => valueOf(shape.of, v))
  if (shape.kind === 'struct')
    return (cell as { f: Wire[] }).f.map(({ v }, at) => valueOf(shape.fields[at]?.shape ?? shape, v))
  throw new Error(`a value of ${shape.type} came as ${JSON.stringify(cell)}`)
}

/** The project that the corpus names. */
export const projectOf = 'gac-prod-471220'

export const openWarehouse = async (): Promise<Warehouse> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-oracle-'))
  const engine = await openEngine({ folder, project_id: projectOf })
  let count = 0
  const ask = async (query: string, parameters: readonly QueryParameter[] = []): Promise<Answer> => {
    let answer: Answer = { columns: [], rows: [] }
    const id = `oracle_${count++}`
    const statement = { query, parameters: parameters.map((parameter) => ({ ...parameter })) }
    try {
      await engine.submit(
        id,
        {
          kind: 'statement',
          statement,
          onResult: ({ columns, rows }) => {
            const shapes = columns.map(shapeOf)
            answer = {
              columns: columns.map(({ name }, at) => ({
                name: /^f\d+_$/.test(name) ? undefined : name,
                shape: shapes[at] ?? { kind: 'scalar', type: 'INT64' },
              })),
              rows: rows.map(({ f }) => f.map(({ v }, at) => valueOf(shapes[at] ?? { kind: 'scalar', type: '' }, v))),
            }
          },
        },
        { labels: {}, detail: undefined, keep: false },
      )
      const { error } = await engine.wait(id)
      if (error !== undefined) return { error: error.message, refused: error.code === 'QUERY_UNSUPPORTED' }
      return answer
    } catch (error) {
      if (error instanceof AppError) return { error: error.message, refused: error.code === 'QUERY_UNSUPPORTED' }
      throw error
    }
  }
  return {
    ask,
    close: async () => {
      await engine.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

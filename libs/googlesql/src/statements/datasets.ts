/** Datasets, and the tables in them, as DDL names them. */
import { AppError } from '@convergence/contracts'
import type { Path } from '../ast.ts'
import type { Compiler } from '../compile/compiler.ts'
import { positionOf } from '../lexer.ts'

export interface DatasetRef {
  project_id: string
  dataset: string
}

/** `what` says kind and name, such as `Table p.d.t`. */
export const notFound = (c: Compiler, what: string, pos: number): AppError =>
  new AppError('TABLE_NOT_FOUND', `${what} was not found at ${positionOf(c.sql, pos)}`)

export const requireOwnProject = (c: Compiler, ref: { project_id: string }, pos: number): void => {
  if (ref.project_id !== c.catalog.project_id) throw c.unsupported(pos, 'DDL or DML in another project')
}
export const requireDataset = (c: Compiler, ref: DatasetRef, pos: number): void => {
  requireOwnProject(c, ref, pos)
  if (c.catalog.dataset(ref) === undefined) throw notFound(c, `Dataset ${ref.project_id}.${ref.dataset}`, pos)
}

/** The dataset of a path that names one. */
export const datasetRef = (c: Compiler, path: Path): DatasetRef => {
  const names = path.parts.map((part) => part.text)
  const [a, b] = names
  if (a === undefined || names.length > 2) throw c.invalid(path.pos, `Invalid dataset name ${names.join('.')}`)
  const ref = b === undefined ? { project_id: c.catalog.project_id, dataset: a } : { project_id: a, dataset: b }
  requireOwnProject(c, ref, path.pos)
  if (!/^[A-Za-z0-9_]{1,1024}$/.test(ref.dataset) || ref.dataset.startsWith('_'))
    throw c.invalid(path.pos, `Invalid dataset name ${ref.dataset}`)
  return ref
}

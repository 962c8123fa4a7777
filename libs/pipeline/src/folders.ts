/** Where pipelines and templates stand, and the files there. */
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const packageFolder = (name: string): string => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
export const configsFolder = (): string => packageFolder('@convergence/configs')
export const templatesFolder = (): string => packageFolder('@convergence/ps_templates')

/** Every file below a folder whose name is wanted, sorted; symbolic links are not followed. */
export const filesBelow = (folder: string, wanted: (name: string) => boolean): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path, wanted)
      return entry.isFile() && wanted(entry.name) ? [path] : []
    })

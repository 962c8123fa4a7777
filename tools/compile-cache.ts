/**
 * Loaded before anything else (`node --import`): what Node compiled once, with the types taken away, it finds again at
 * the next start. Where
 * the folder cannot be written nothing is kept, and nothing else changes.
 */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

export const cacheFolder = join(import.meta.dirname, '../node_modules/.cache/node')

enableCompileCache(cacheFolder)

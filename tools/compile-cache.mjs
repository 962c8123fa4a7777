/**
 * Loaded before anything else (`node --import`): what Node compiled once, with the types taken away, it finds again at
 * the next start, in worker threads and children too. Where the folder cannot be written nothing is kept, and nothing
 * else changes. JavaScript, so that a start which finds everything there does not load the compiler.
 */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'

process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../node_modules/.cache/node')
enableCompileCache()

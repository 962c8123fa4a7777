import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Route } from '../route.ts'

const page = (name: string): string => readFileSync(join(import.meta.dirname, '../pages', name), 'utf8')
/** The page loads its own two files and talks to this server; nothing else, whatever a run's texts contain. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/**
 * A page to run pipelines and to watch a run's events while they happen. It holds nothing: the key that is typed in is
 * what may be seen.
 */
export const console = (): Route[] => {
  const open = { method: 'GET', scope: 'public', tenant: 'none', rate: 'public', answers: [200] } as const
  const [html, css, script] = [page('console.html'), page('console.css'), page('console.js')]
  return [
    {
      ...open,
      path: '/console',
      summary: 'A page to run pipelines and watch runs',
      handle: () => ({ status: 200, text: { type: 'text/html; charset=utf-8', policy, content: html } }),
    },
    {
      ...open,
      path: '/console/console.css',
      summary: 'How that page looks',
      handle: () => ({ status: 200, text: { type: 'text/css; charset=utf-8', content: css } }),
    },
    {
      ...open,
      path: '/console/console.js',
      summary: 'What that page does',
      handle: () => ({ status: 200, text: { type: 'text/javascript; charset=utf-8', content: script } }),
    },
  ]
}

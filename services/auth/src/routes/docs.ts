import { openapi, templated } from '../openapi.ts'
import type { RouteContext } from '../context.ts'
import type { Route } from '../route.ts'

const policy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'"
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const style = `:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8884 }
code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
`

const line = (route: Route): string => {
  const fields = Object.entries(route.body?.properties ?? {}).map(([name, { description }]) => {
    const optional = route.body?.required?.includes(name) === true ? '' : '?'
    return `<code>${escaped(name)}</code>${optional} ${escaped(description ?? '')}`
  })
  const query = Object.entries(route.query ?? {}).map(
    ([name, { description }]) => `<code>?${escaped(name)}=</code> ${escaped(description ?? '')}`,
  )
  const request = `<code>${route.method} ${escaped(templated(route.path))}</code>`
  const what = [escaped(route.summary), ...query, ...fields].join('<br>')
  return `<tr><td>${request}</td><td>${escaped(route.scope)}</td><td>${what}</td></tr>`
}
const pageOf = (routes: readonly Route[]): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Convergence API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<h1>Convergence API</h1>
<p>Keys go into <code>X-API-Key</code>, the admin's into <code>X-Admin-Key</code>.
Errors are <code>application/problem+json</code>.
The same for programs: <a href="/api/v1/openapi.json">openapi.json</a>.</p>
<table>
<thead><tr><th>Request</th><th>Who</th><th>What</th></tr></thead>
<tbody>
${routes.map(line).join('\n')}
</tbody>
</table>
</body>
</html>
`

/** The description as JSON and as a page that needs nothing from elsewhere. */
export const docs = (parts: RouteContext): Route[] => {
  const open = { method: 'GET', scope: 'public', tenant: 'none', rate: 'public', answers: [200] } as const
  return [
    {
      ...open,
      path: '/api/v1/openapi.json',
      summary: 'This description, OpenAPI 3.1',
      handle: () => ({ status: 200, body: openapi(parts.routes()) }),
    },
    {
      ...open,
      path: '/docs',
      summary: 'This description as a page',
      handle: () => ({
        status: 200,
        text: {
          type: 'text/html; charset=utf-8',
          policy,
          content: pageOf(parts.routes()),
        },
      }),
    },
    {
      ...open,
      path: '/docs/style.css',
      summary: 'How that page looks',
      handle: () => ({ status: 200, text: { type: 'text/css; charset=utf-8', content: style } }),
    },
  ]
}

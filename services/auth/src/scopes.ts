/** What a key may do. */

export type Scope =
  'pipelines:run' | 'pipelines:read' | 'configs:write' | 'keys:manage' | 'sources:write' | 'costs:read'
/** The scopes that there were at first: a key of that time with all of them is one with all. */
const firstScopes: readonly Scope[] = ['pipelines:run', 'pipelines:read', 'configs:write', 'keys:manage']
export const scopes: readonly Scope[] = [...firstScopes, 'sources:write', 'costs:read']
/** Names the list of scopes that a key was made with; rows without one are older than it. */
export const scopeSet = 2

/** What a key may do: as its row says, but for those that were made with all scopes when there were fewer. */
export const scopesOf = (stored: readonly string[], scope_set: number | null): readonly string[] =>
  scope_set === null && firstScopes.every((scope) => stored.includes(scope)) ? scopes : stored

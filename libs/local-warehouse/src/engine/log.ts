/** Where the engine says what its callers do not see. */
export interface Log {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

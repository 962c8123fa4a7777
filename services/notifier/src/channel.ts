/** What the ways to tell somebody have in common. */

/** How handing over a message went. A channel throws for nothing that the other side does. */
export type Outcome =
  /** Taken; `note` says whom the other side refused. */
  | { kind: 'sent'; note?: string }
  /**
   * May work later: for these recipients only, where others have it already. `uncertain`: it may have been taken all
   * the same.
   */
  | { kind: 'later'; reason: string; uncertain: boolean; after_ms?: number; to?: readonly string[]; note?: string }
  | { kind: 'refused'; reason: string }

export interface MailMessage {
  /** With its angle brackets; the same for every try. */
  message_id: string
  from: string
  /** Addresses, checked; nothing else is a recipient. */
  to: readonly string[]
  /** One line. */
  subject: string
  text: string
  /** It may have been sent before. */
  possible_duplicate: boolean
}
export interface Mail {
  send(message: MailMessage): Promise<Outcome>
  close(): Promise<void>
}

export interface Slack {
  /** `url` is a secret. */
  post(message: { url: string; channel?: string; text: string }, signal: AbortSignal): Promise<Outcome>
}

/** Kinds of notifications that this service hosts, by channel. */
export const kinds = {
  email: 'notify_systems.email_notification',
  slack: 'notify_systems.slack_notification',
} as const

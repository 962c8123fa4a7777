/** What the thread that owns a file could not do, in one sentence with what to do about it. */
import { AppError } from '@convergence/contracts'
import type { Failed } from './sqlite-file.ts'

const diskFull = 13

export const writeFault = (file: string, { message, errcode }: Failed): AppError =>
  (errcode ?? 0) % 256 === diskFull || /ENOSPC/.test(message)
    ? new AppError(
        'DISK_FULL',
        `${file}: no space left to write; free some and it goes on, nothing that was acknowledged is lost`,
      )
    : new AppError('UNAVAILABLE', `${file}: cannot be read or written (${message}); see to the disk and start again`)

/** `expected`: what the file should be, such as "a journal". */
export const cannotOpen = (file: string, { message, held_by }: Failed, expected: string): AppError =>
  held_by === undefined
    ? new AppError(
        'SETTING_INVALID',
        `${file} cannot be opened (${message}): expected ${expected}, or none yet, ` +
          'in a folder where this user may write',
      )
    : new AppError(
        'SETTING_INVALID',
        `${file} is in use by ${held_by}: stop that one, or give this one another data folder`,
      )

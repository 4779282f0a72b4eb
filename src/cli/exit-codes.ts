/** What the program's exit status says. Documented in the README: scripts rely on it. */
export const exitCodes = {
  ok: 0,
  /** Something went wrong while doing what was asked. */
  failure: 1,
  /** What was asked cannot be understood: arguments, flags, configuration. */
  usage: 2,
  /** 128 + the signal's number, as shells report it. */
  hangup: 129,
  interrupted: 130,
  terminated: 143,
} as const;

import { constants } from 'node:os';

/** `SIGSEGV` for 11; `null` for 0. */
export function signalName(number: number): string | null {
  if (number === 0) return null;
  const entry = Object.entries(constants.signals).find(([, value]) => value === number);
  return entry?.[0] ?? `signal ${number}`;
}

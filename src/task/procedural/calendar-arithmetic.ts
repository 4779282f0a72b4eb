/**
 * Dates and weekdays of the Gregorian calendar, by counting days since a fixed one (no time zones, no clock).
 * Dates are written YYYY-MM-DD; weekdays in English.
 */
import { z } from 'zod';
import { readInteger } from './answer-text.ts';
import { proceduralTask } from './procedural-task.ts';

type CalendarPuzzle =
  | { readonly kind: 'add'; readonly day: number; readonly days: number }
  | { readonly kind: 'between'; readonly day: number; readonly days: number }
  | { readonly kind: 'weekday'; readonly day: number };

const weekdays = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] as const;
const daysInMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function monthLength(year: number, month: number): number {
  return daysInMonth[month - 1]! + (month === 2 && isLeap(year) ? 1 : 0);
}

/** Days before 1 January of a year, counted from 0001-01-01, a Monday. */
function daysBefore(year: number): number {
  const past = year - 1;
  return 365 * past + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
}

function dayOf(year: number, month: number, date: number): number {
  let days = daysBefore(year) + date - 1;
  for (let m = 1; m < month; m++) days += monthLength(year, m);
  return days;
}

function writeDate(day: number): string {
  let year = Math.floor(day / 366) + 1;
  while (daysBefore(year + 1) <= day) year++;
  let rest = day - daysBefore(year);
  let month = 1;
  while (rest >= monthLength(year, month)) rest -= monthLength(year, month++);
  const padded = (value: number, width: number) => `${value}`.padStart(width, '0');
  return `${padded(year, 4)}-${padded(month, 2)}-${padded(rest + 1, 2)}`;
}

function readDate(text: string): number | undefined {
  const match = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text);
  if (match === null) return undefined;
  const [year, month, date] = match.slice(1).map(Number) as [number, number, number];
  if (year < 1 || month < 1 || month > 12 || date < 1 || date > monthLength(year, month)) return undefined;
  return dayOf(year, month, date);
}

function rightAnswer(puzzle: CalendarPuzzle): string {
  switch (puzzle.kind) {
    case 'add':
      return writeDate(puzzle.day + puzzle.days);
    case 'between':
      return `${puzzle.days}`;
    case 'weekday':
      return weekdays[puzzle.day % 7]!;
  }
}

export const calendarArithmetic = proceduralTask<
  { readonly fromYear: number; readonly toYear: number; readonly days: number },
  CalendarPuzzle
>({
  name: 'calendar-arithmetic',
  description: 'Add days to dates, count days between them, and name weekdays.',
  knobs: {
    fromYear: z.int().min(1583).max(2999),
    toYear: z.int().min(1583).max(2999),
    /** The longest span. */
    days: z.int().min(2).max(400_000),
  },
  levels: [
    { fromYear: 2021, toYear: 2027, days: 40 },
    { fromYear: 2000, toYear: 2030, days: 120 },
    { fromYear: 1950, toYear: 2050, days: 1000 },
    { fromYear: 1800, toYear: 2200, days: 20_000 },
  ],
  draw(random, { fromYear, toYear, days }) {
    const first = daysBefore(fromYear);
    const count = daysBefore(toYear + 1) - first;
    if (count <= 0) return undefined;
    const day = first + random.integer(count);
    const span = 1 + random.integer(days);
    switch (random.pick(['add', 'subtract', 'between', 'weekday'] as const)) {
      case 'add':
        return { kind: 'add', day, days: span };
      case 'subtract':
        return { kind: 'add', day, days: -span };
      case 'between':
        return { kind: 'between', day, days: span };
      case 'weekday':
        return { kind: 'weekday', day };
    }
  },
  question(puzzle) {
    const date = writeDate(puzzle.day);
    switch (puzzle.kind) {
      case 'add':
        return (
          `Which date is ${Math.abs(puzzle.days)} days ${puzzle.days < 0 ? 'before' : 'after'} ${date} ` +
          '(year-month-day)? Answer with the date alone, such as 2024-02-29'
        );
      case 'between':
        return (
          `How many days after ${date} is ${writeDate(puzzle.day + puzzle.days)} (year-month-day)? ` +
          'Answer with the number alone, such as 7'
        );
      case 'weekday':
        return `Which day of the week is ${date} (year-month-day, Gregorian calendar)? Answer with its English name alone, such as Monday`;
    }
  },
  answer: rightAnswer,
  check(puzzle, answer) {
    switch (puzzle.kind) {
      case 'add': {
        const day = readDate(answer);
        if (day === undefined) return 'no date of the form 2024-02-29';
        const off = day - puzzle.day - puzzle.days;
        return off === 0 ? undefined : `${Math.abs(off)} days too ${off < 0 ? 'early' : 'late'}`;
      }
      case 'between': {
        const days = readInteger(answer.replace(/ days?$/, ''));
        if (days === undefined) return 'no whole number';
        return days === puzzle.days ? undefined : 'another number of days';
      }
      case 'weekday':
        return answer.toLowerCase() === rightAnswer(puzzle).toLowerCase() ? undefined : 'another day';
    }
  },
  corrupt(puzzle, random) {
    const slip = random.pick([-2, -1, 1, 2]);
    return puzzle.kind === 'weekday'
      ? weekdays[(puzzle.day + slip + 7) % 7]!
      : rightAnswer({ ...puzzle, days: puzzle.days + slip });
  },
});

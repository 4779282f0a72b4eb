/** Python's `strftime` in local time with English names: the directives that chat templates use. */

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** Unknown directives stay as they are. `%-d` and the like leave out leading zeros. */
export function strftime(date: Date, format: string): string {
  return format.replaceAll(/%(-?)([A-Za-z%])/g, (whole, minus: string, directive: string) => {
    const text = field(date, directive);
    if (text === undefined) return whole;
    return minus === '-' ? text.replace(/^0+(?=\d)/, '') : text;
  });
}

function field(date: Date, directive: string): string | undefined {
  const two = (value: number): string => String(value).padStart(2, '0');
  const hour12 = date.getHours() % 12 === 0 ? 12 : date.getHours() % 12;
  switch (directive) {
    case 'Y':
      return String(date.getFullYear());
    case 'y':
      return two(date.getFullYear() % 100);
    case 'm':
      return two(date.getMonth() + 1);
    case 'B':
      return MONTHS[date.getMonth()]!;
    case 'b':
      return MONTHS[date.getMonth()]!.slice(0, 3);
    case 'd':
      return two(date.getDate());
    case 'A':
      return DAYS[date.getDay()]!;
    case 'a':
      return DAYS[date.getDay()]!.slice(0, 3);
    case 'H':
      return two(date.getHours());
    case 'I':
      return two(hour12);
    case 'p':
      return date.getHours() < 12 ? 'AM' : 'PM';
    case 'M':
      return two(date.getMinutes());
    case 'S':
      return two(date.getSeconds());
    case 'j':
      return String(dayOfYear(date)).padStart(3, '0');
    case 'F':
      return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    case 'T':
      return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
    case '%':
      return '%';
    default:
      return undefined;
  }
}

function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getFullYear(), 0, 1);
  return (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - start) / 86_400_000 + 1;
}

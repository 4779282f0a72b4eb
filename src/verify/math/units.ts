/** Words that are units, and the names that several ways of writing one share. */

const groups: Readonly<Record<string, string>> = {
  $: 'dollar dollars usd buck bucks',
  '€': 'euro euros eur',
  '£': 'pound-sterling gbp',
  '¥': 'yen jpy',
  '₹': 'rupee rupees inr',
  cent: 'cent cents',
  percent: 'percent percents %',
  degree: 'degree degrees deg °',
  radian: 'radian radians rad',
  mm: 'mm millimeter millimeters millimetre millimetres',
  cm: 'cm centimeter centimeters centimetre centimetres',
  meter: 'meter meters metre metres m',
  km: 'km kilometer kilometers kilometre kilometres',
  inch: 'inch inches in',
  foot: 'foot feet ft',
  yard: 'yard yards yd yds',
  mile: 'mile miles mi',
  second: 'second seconds sec secs s',
  minute: 'minute minutes min mins',
  hour: 'hour hours hr hrs h',
  day: 'day days',
  week: 'week weeks',
  month: 'month months',
  year: 'year years yr yrs',
  gram: 'gram grams g',
  kg: 'kg kgs kilogram kilograms',
  mg: 'mg milligram milligrams',
  pound: 'pound pounds lb lbs',
  ounce: 'ounce ounces oz',
  ton: 'ton tons',
  liter: 'liter liters litre litres l',
  ml: 'ml milliliter milliliters millilitre millilitres',
  gallon: 'gallon gallons',
  unit: 'unit units',
  mph: 'mph',
  'km/h': 'kmh kph km/h',
  am: 'am a.m a.m.',
  pm: 'pm p.m p.m.',
};

const names = new Map(
  Object.entries(groups).flatMap(([name, words]) => [
    [name, name] as const,
    ...words.split(' ').map((word) => [word, name] as const),
  ]),
);

/** Letters that are a unit when they stand in plain mathematics right after a number. Longer words always are. */
export const plainUnits: ReadonlySet<string> = new Set(
  'cm mm km kg mg ml lb lbs oz ft mph kph hr hrs min mins sec secs yd yds'.split(' '),
);

/** The unit that a text after a number states, in one spelling; an unknown one as its words. */
export function unitOf(text: string): string {
  const words = text
    .toLowerCase()
    .replaceAll(/[.,;]+$/g, '')
    .split(/\s+/)
    .filter((word) => word !== '');
  const shared = words.map(
    (word) => names.get(word) ?? (word.length > 3 ? word.replace(/(?<!s)s$/, '') : word),
  );
  const [first, second] = shared;
  // 5 square inches, 5 sq in, 5 inches²
  if ((first === 'square' || first === 'sq' || first === 'cubic') && second !== undefined) {
    return [`${second}^${first === 'cubic' ? 3 : 2}`, ...shared.slice(2)].join(' ');
  }
  return shared.join(' ');
}

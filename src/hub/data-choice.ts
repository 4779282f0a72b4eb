/**
 * Which files of a data set are meant when only its name is given. By the conventions of the Hub: the name of a file
 * or of its folder holds the split (`train-00000-of-00002.parquet`, `test.jsonl`, `validation/0000.parquet`), the
 * folders above it the configuration (`main/`, `socratic/`). Where that leaves a choice, it is the user's.
 */
import { AhaError } from '../errors.ts';
import { nearestWord } from '../util/schema.ts';

export interface DataQuery {
  /** The split that is meant where the reference names no file; `all` of a configuration. */
  readonly split: 'train' | 'test' | 'all';
  /** Configurations to take where there are several, the best first, before `main`, `default` and files in no folder. */
  readonly configurations?: readonly string[];
}

export interface DataChoice {
  /** In order; several where a split comes in parts. */
  readonly paths: readonly string[];
  /** The split that the files hold: what was asked for, or the only one there is. undefined for one that was named. */
  readonly split: string | undefined;
}

interface DataFile {
  readonly path: string;
  /** '' for files in no folder, or in `data/`. */
  readonly configuration: string;
  readonly split: string;
  /** Equal for the parts of one file. */
  readonly whole: string;
  /** How many parts its name says that there are. */
  readonly parts: number | undefined;
}

const extensions = /\.(parquet|(?:jsonl|ndjson|json)(?:\.gz)?)$/i;

/** Words in names, and the split that they stand for. */
const splitWords: Readonly<Record<string, string>> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
  eval: 'test',
  evaluation: 'test',
};

/** What messages call a data set, and how they name a part of it: `openai/gsm8k`, `hf:openai/gsm8k`. */
export interface DataNames {
  readonly repository: string;
  readonly reference: string;
}

/**
 * Throws `AhaError` (data): `data-file-missing` for a path that is not there, `data-files-missing` for a data set
 * without files that can be read, `data-choice` where several are meant equally.
 */
export function chooseDataFiles(
  names: DataNames,
  listed: readonly string[],
  path: string | undefined,
  query: DataQuery,
): DataChoice {
  if (path !== undefined && listed.includes(path)) return { paths: [path], split: undefined };
  const below = path === undefined ? listed : listed.filter((name) => name.startsWith(`${path}/`));
  if (below.length === 0 && path !== undefined) throw missingPath(names, listed, path);
  const files = readable(below).map((name) => describe(name, path));
  if (files.length === 0) throw noFiles(names, below);
  const ofConfiguration = chooseConfiguration(names, files, query);
  const split = chooseSplit(names, ofConfiguration, query.split);
  const chosen = ofConfiguration.filter((file) => query.split === 'all' || file.split === split);
  if (query.split !== 'all') requireOne(names, chosen);
  requireParts(names, chosen);
  return {
    paths: chosen.map((file) => file.path).toSorted((a, b) => (a < b ? -1 : 1)),
    split: query.split === 'all' ? 'all' : split,
  };
}

/** Parquet where there is some: the same rows often lie beside it in another form. */
function readable(paths: readonly string[]): string[] {
  const visible = paths.filter(
    (path) => extensions.test(path) && !path.split('/').some((name) => /^\.[^.]/.test(name)),
  );
  const kinds = [/\.parquet$/i, /\.(?:jsonl|ndjson)(?:\.gz)?$/i, /\.json(?:\.gz)?$/i];
  for (const kind of kinds) {
    const found = visible.filter((path) => kind.test(path));
    if (found.length > 0) return found;
  }
  return [];
}

function describe(path: string, folder: string | undefined): DataFile {
  const inner = folder === undefined ? path : path.slice(folder.length + 1);
  const folders = inner.split('/').slice(0, -1);
  const name = inner.slice(inner.lastIndexOf('/') + 1).replace(extensions, '');
  const shard = /^(?<base>.*?)[-_.]?\d+-of-(?<parts>\d+)$/.exec(name)?.groups;
  const base = shard?.['base'] ?? name.replace(/(?:^|[-_.])\d{4,}$/, '');
  const ofFolder = folders.findLastIndex((one) => splitIn(one) !== undefined);
  const split = splitIn(base) ?? (ofFolder < 0 ? undefined : splitIn(folders[ofFolder]!));
  return {
    path,
    configuration: folders.filter((one, index) => index !== ofFolder && one !== 'data').join('/'),
    // A name in parts names a split of its own (`prompt-00000-of-00001`); any other says nothing.
    split: split ?? (shard === undefined ? '' : base),
    whole: `${folders.join('/')}/${base}`,
    parts: shard === undefined ? undefined : Number(shard['parts']),
  };
}

/** The last word that names a split: `gsm8k_train`, `test-set`. */
function splitIn(name: string): string | undefined {
  const words = name.toLowerCase().split(/[^a-z]+/);
  const word = words.findLast((one) => Object.hasOwn(splitWords, one));
  return word === undefined ? undefined : splitWords[word];
}

function chooseConfiguration(names: DataNames, files: readonly DataFile[], query: DataQuery): DataFile[] {
  const found = [...new Set(files.map((file) => file.configuration))];
  const preferred = [...(query.configurations ?? []), 'main', 'default', ''];
  const chosen = found.length === 1 ? found[0] : preferred.find((name) => found.includes(name));
  if (chosen !== undefined) return files.filter((file) => file.configuration === chosen);
  const { path } = files[0]!;
  const folder = path.slice(0, path.lastIndexOf('/'));
  throw choice(names, 'has several configurations; name the folder or a file of one', found, folder);
}

/** The split that is asked for, or the only one. Files that name none are for training. */
function chooseSplit(names: DataNames, files: readonly DataFile[], wanted: DataQuery['split']): string {
  const found = [...new Set(files.map((file) => file.split))];
  if (wanted === 'all' || found.includes(wanted)) return wanted;
  if (found.length === 1) return found[0]!;
  if (wanted === 'train' && found.includes('')) return '';
  const paths = files.map((file) => file.path);
  throw choice(names, `has no split ${wanted}; name one of its files`, paths, paths[0]!);
}

function requireOne(names: DataNames, files: readonly DataFile[]): void {
  if (new Set(files.map((file) => file.whole)).size <= 1) return;
  const paths = files.map((file) => file.path);
  throw choice(names, 'has several files that may be meant; name one', paths, paths[0]!);
}

/** A data set that is being uploaded, or lost a part, would be learned in part without a word. */
function requireParts(names: DataNames, files: readonly DataFile[]): void {
  for (const whole of new Set(files.map((file) => file.whole))) {
    const parts = files.filter((file) => file.whole === whole);
    const expected = parts[0]?.parts;
    if (expected === undefined || parts.length === expected) continue;
    throw new AhaError({
      code: 'data-parts-missing',
      boundary: 'data',
      what: `The data set ${names.repository} is not complete`,
      found: `${parts.length} parts of ${whole.replace(/^\//, '')}`,
      expected: `${expected}`,
      fix: 'Choose another revision, or name the files that you want one by one.',
    });
  }
}

function choice(names: DataNames, what: string, found: readonly string[], first: string): AhaError {
  return new AhaError({
    code: 'data-choice',
    boundary: 'data',
    what: `The data set ${names.repository} ${what}`,
    found: listOf(found.map((one) => (one === '' ? '(no folder)' : one))),
    fix: `For example ${names.reference}/${first}.`,
    fields: { repository: names.repository, candidates: found.slice(0, 100) },
  });
}

function missingPath(names: DataNames, listed: readonly string[], path: string): AhaError {
  const nearest = nearestWord(path, listed.slice(0, 1000));
  return new AhaError({
    code: 'data-file-missing',
    boundary: 'data',
    what: `The data set ${names.repository} has no file or folder ${path}`,
    found: listOf(listed.filter((name) => extensions.test(name))),
    fix: nearest === undefined ? 'Name one of its files.' : `Did you mean ${names.reference}/${nearest}?`,
    fields: { repository: names.repository },
  });
}

function noFiles(names: DataNames, paths: readonly string[]): AhaError {
  return new AhaError({
    code: 'data-files-missing',
    boundary: 'data',
    what: `The data set ${names.repository} has no files of rows that can be read`,
    found: listOf(paths),
    expected: 'files that end in .parquet, .jsonl or .jsonl.gz',
    fix: `The Hub keeps most data sets as Parquet too: try ${names.reference}@refs/convert/parquet.`,
    fields: { repository: names.repository },
  });
}

function listOf(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  const more = names.length > 12 ? `, and ${names.length - 12} more` : '';
  return `${names.slice(0, 12).join(', ')}${more}`;
}

/**
 * How a user names data on the Hub: `hf:org/name`, `hf:org/name@revision`, and with a path of the repository behind
 * either, a file or a folder. Everything else is a path on this machine: data is never downloaded by accident.
 */
import { AhaError } from '../errors.ts';

export interface DataReference {
  /** `org/name` */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** A file or folder of the repository. */
  readonly path?: string;
}

const part = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}';
/** `refs/convert/parquet`, where the Hub keeps every data set as Parquet, and `refs/pr/7` have slashes. */
const revision = '(?:refs/convert/[A-Za-z0-9_.-]+|refs/pr/\\d+|[A-Za-z0-9_][A-Za-z0-9_.-]{0,199})';
const pattern = new RegExp(`^(?<repository>${part}/${part})(?:@(?<revision>${revision}))?(?:/(?<path>.*))?$`);

/** Whether `text` names data on the Hub. */
export function isHubData(text: string): boolean {
  return text.startsWith('hf:');
}

/** Throws `AhaError` (configuration) for a reference that begins with `hf:` and cannot be one. */
export function parseDataReference(text: string): DataReference {
  const groups = pattern.exec(text.slice('hf:'.length))?.groups;
  const repository = groups?.['repository'];
  const path = groups?.['path']?.replace(/\/+$/, '');
  if (
    repository === undefined ||
    repository.includes('..') ||
    (path !== undefined && path !== '' && !isPlainPath(path))
  ) {
    throw new AhaError({
      code: 'data-reference-invalid',
      boundary: 'configuration',
      what: 'This names no data set on the Hub',
      found: text,
      expected: 'hf:org/name, hf:org/name@revision, or one of them with /path/of/a/file',
      fix: 'For example hf:openai/gsm8k or hf:openai/gsm8k/main/train-00000-of-00001.parquet.',
    });
  }
  return {
    repository,
    revision: groups?.['revision'] ?? 'main',
    ...(path === undefined || path === '' ? {} : { path }),
  };
}

/** Whether a path of a repository stays in its folder, on every system. */
export function isPlainPath(path: string): boolean {
  return path
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..' && !/[\\:*?"<>|\p{Cc}]/u.test(name));
}

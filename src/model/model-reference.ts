/**
 * What a user means by a model: a path on this machine, or a model on the Hugging Face Hub. A path that does not
 * exist must never turn into a download, so an id is taken as one only where it cannot be a mistyped path.
 */
import { access } from 'node:fs/promises';
import { AhaError } from '../errors.ts';

export type ModelReference = { readonly kind: 'path'; readonly path: string } | HubReference;

export interface HubReference {
  readonly kind: 'hub';
  /** `org/name` */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** One GGUF file of the repository. Absent: the repository is a Hugging Face checkpoint. */
  readonly file?: string;
}

const part = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}';
const hubId = new RegExp(
  `^(?<repository>${part}/${part})(?:/(?<file>(?:${part}/)*${part}\\.gguf))?(?:@(?<revision>[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}))?$`,
);

/**
 * An existing path is that path. `hf:` makes anything else a Hub id; without it, `org/name`, `org/name@revision` or
 * `org/name/file.gguf` is one unless a folder `org` exists here.
 * Throws `AhaError` (model, `model-not-found`) for what is neither.
 */
export async function parseModelReference(text: string): Promise<ModelReference> {
  const forced = text.startsWith('hf:');
  if (!forced && text !== '' && (await exists(text))) return { kind: 'path', path: text };
  const groups = hubId.exec(forced ? text.slice(3) : text)?.groups;
  const repository = groups?.['repository'];
  if (
    groups === undefined ||
    repository === undefined ||
    repository.includes('..') ||
    text.includes('/../')
  ) {
    throw notFound(
      text,
      forced ? 'a Hub id such as hf:Qwen/Qwen3-0.6B or hf:Qwen/Qwen3-0.6B@main' : undefined,
    );
  }
  const organisation = repository.slice(0, repository.indexOf('/'));
  if (!forced && (await exists(organisation))) {
    throw notFound(text, undefined, `If you mean the model on the Hugging Face Hub, write hf:${text}.`);
  }
  const file = groups['file'];
  const revision = groups['revision'] ?? 'main';
  return { kind: 'hub', repository, revision, ...(file === undefined ? {} : { file }) };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function notFound(text: string, expected?: string, fix?: string): AhaError {
  return new AhaError({
    code: 'model-not-found',
    boundary: 'model',
    what: 'There is no such model',
    found: text,
    expected: expected ?? 'a folder or GGUF file that exists, or a Hugging Face id such as Qwen/Qwen3-0.6B',
    fix: fix ?? 'Check the path.',
  });
}

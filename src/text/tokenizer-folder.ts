/** Loads a tokenizer from a folder in the Hugging Face layout. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AhaError } from '../errors.ts';
import { storageError } from '../util/files.ts';
import { Tokenizer } from './tokenizer.ts';

/** What belongs to a tokenizer and is written back by an export. `tokenizer.model` and the like are for others. */
const CARRIED = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'generation_config.json',
  'chat_template.jinja',
  'chat_template.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
] as const;

/** Real ones are below 40 MB. */
const MAXIMUM_BYTES = 256 * 2 ** 20;

/**
 * The tokenizer of a model folder. Reads `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json`,
 * `generation_config.json`, `config.json`, `chat_template.jinja`; all but the first may be absent. Throws an
 * `AhaError`: `tokenizer-missing`, `tokenizer-malformed`, `tokenizer-inconsistent`, `tokenizer-unsupported` (text),
 * or `storage-…` for a file that cannot be read.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const files = new Map<string, Uint8Array>();
  for (const name of CARRIED) {
    const content = await readIfPresent(join(folder, name));
    if (content !== undefined) files.set(name, content);
  }
  if (!files.has('tokenizer.json')) throw missing(folder, files);
  const modelConfig = await readIfPresent(join(folder, 'config.json'));
  const document = (name: string, content = files.get(name)): unknown =>
    content === undefined ? undefined : parseJson(content, join(folder, name));
  const template = files.get('chat_template.jinja');
  return new Tokenizer({
    tokenizer: document('tokenizer.json'),
    config: document('tokenizer_config.json'),
    specialTokensMap: document('special_tokens_map.json'),
    generationConfig: document('generation_config.json'),
    modelConfig: document('config.json', modelConfig),
    chatTemplate:
      template === undefined ? undefined : decodeUtf8(template, join(folder, 'chat_template.jinja')),
    files,
    source: folder,
  });
}

async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAXIMUM_BYTES) {
      throw new AhaError({
        code: 'tokenizer-malformed',
        boundary: 'text',
        what: `${path} is too large for what it is`,
        found: `${size} bytes`,
        expected: `at most ${MAXIMUM_BYTES}`,
        fix: 'Check that it is the file of a tokenizer.',
        fields: { file: path },
      });
    }
    return await readFile(path);
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw storageError(`Could not read ${path}`, error);
  }
}

function decodeUtf8(content: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch (cause) {
    throw new AhaError({
      code: 'tokenizer-malformed',
      boundary: 'text',
      what: `${path} is not text in UTF-8`,
      fix: 'Download it again.',
      fields: { file: path },
      cause,
    });
  }
}

function parseJson(content: Uint8Array, path: string): unknown {
  const text = decodeUtf8(content, path);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new AhaError({
      code: 'tokenizer-malformed',
      boundary: 'text',
      what: `${path} is not valid JSON`,
      found: cause instanceof Error ? cause.message : String(cause),
      fix: text.startsWith('version https://git-lfs')
        ? 'It is a Git LFS pointer: fetch the file itself (git lfs pull, or download it from the Hub).'
        : 'The file is damaged or cut off: download it again.',
      fields: { file: path },
      cause,
    });
  }
}

function missing(folder: string, files: ReadonlyMap<string, Uint8Array>): AhaError {
  const others = [...files.keys()].filter((name) =>
    /^(?:tokenizer\.model|vocab\.json|merges\.txt)$/.test(name),
  );
  return new AhaError({
    code: 'tokenizer-missing',
    boundary: 'text',
    what: `${folder} has no tokenizer.json`,
    ...(others.length === 0 ? {} : { found: others.join(', ') }),
    expected: 'tokenizer.json',
    fix:
      others.length === 0
        ? 'Name the folder of a model with its tokenizer.'
        : 'Convert the tokenizer with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER).',
    fields: { folder },
  });
}

/** The two ways in which a model's description is refused. */
import { AhaError } from '../errors.ts';

/** A file that says nothing sensible. */
export function invalid(
  source: string,
  what: string,
  found: unknown,
  expected: unknown,
  fix = 'Correct the file or download it again.',
): AhaError {
  return new AhaError({
    code: 'config-invalid',
    boundary: 'model',
    what: `${source} is not a valid configuration. ${what}`,
    found,
    ...(expected === undefined ? {} : { expected }),
    fix,
    fields: { file: source },
  });
}

/** A model that exists, but that aha cannot run exactly. */
export function unsupported(source: string, what: string, found: unknown, supported: string): AhaError {
  return new AhaError({
    code: 'model-unsupported',
    boundary: 'model',
    what: `${source} describes a model that aha cannot run. ${what}`,
    found,
    expected: supported,
    fix: 'Choose a dense Llama, Mistral, Qwen2 or Qwen3 checkpoint.',
    fields: { file: source },
  });
}

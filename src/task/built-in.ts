/** What a built-in task says of itself before it is made: its name, a sentence, the schema of its options. */
import type { z } from 'zod';
import type { HubOptions } from '../hub/client.ts';
import type { Task } from './task.ts';

export interface BuiltInTask {
  readonly name: string;
  /** One sentence. */
  readonly description: string;
  /** Of the options of `create`. */
  readonly schema: z.ZodObject;
  /** The options that name files: paths, or data sets on the Hub. */
  readonly files?: readonly string[];
  /** Throws `AhaError` for options that do not fit the schema. */
  create(options: unknown, hub?: HubOptions): Task | Promise<Task>;
}

export function builtIn<S extends z.ZodObject>(
  name: string,
  description: string,
  schema: S,
  create: (options: z.input<S>, hub?: HubOptions) => Task | Promise<Task>,
  files: readonly string[] = [],
): BuiltInTask {
  // Each task parses its own options.
  return { name, description, schema, files, create: (options, hub) => create(options as z.input<S>, hub) };
}

/** What a built-in task says of itself before it is made: its name, a sentence, the schema of its options. */
import type { z } from 'zod';
import type { Task } from './task.ts';

export interface BuiltInTask {
  readonly name: string;
  /** One sentence. */
  readonly description: string;
  /** Of the options of `create`. */
  readonly schema: z.ZodObject;
  /** Throws `AhaError` for options that do not fit the schema. */
  create(options: unknown): Task | Promise<Task>;
}

export function builtIn<S extends z.ZodObject>(
  name: string,
  description: string,
  schema: S,
  create: (options: z.input<S>) => Task | Promise<Task>,
): BuiltInTask {
  // Each task parses its own options.
  return { name, description, schema, create: (options) => create(options as z.input<S>) };
}

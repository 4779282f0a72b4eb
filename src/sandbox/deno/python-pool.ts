/** Warm Python processes: started when first needed, at most as many as run at once, replaced when used up. */
import { PythonProcess, pyodideAssets, type PythonPlace } from './python-process.ts';

export class PythonPool {
  readonly #binary: string;
  readonly #place: PythonPlace;
  readonly #idle: PythonProcess[] = [];
  readonly #all = new Set<PythonProcess>();
  #closed = false;

  constructor(binary: string, place: PythonPlace) {
    this.#binary = binary;
    this.#place = place;
  }

  /** Lends a process to `work`. Throws `AhaError`: pyodide-missing, sandbox-failed. */
  async use<T>(work: (python: PythonProcess) => Promise<T>): Promise<T> {
    const python = this.#takeIdle() ?? (await this.#start());
    try {
      return await work(python);
    } finally {
      if (python.usable && !this.#closed) this.#idle.push(python);
      else await this.#discard(python);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map(async (python) => this.#discard(python)));
  }

  #takeIdle(): PythonProcess | undefined {
    for (;;) {
      const python = this.#idle.pop();
      if (python === undefined || python.usable) return python;
      void this.#discard(python);
    }
  }

  async #start(): Promise<PythonProcess> {
    const python = await PythonProcess.start(this.#binary, this.#place, await pyodideAssets());
    this.#all.add(python);
    if (this.#closed) python.kill();
    return python;
  }

  async #discard(python: PythonProcess): Promise<void> {
    await python.close();
    this.#all.delete(python);
  }
}

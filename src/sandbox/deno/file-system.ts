/**
 * The file system of Pyodide, which lives in JavaScript objects: put back to what it was between programs, and kept
 * from growing beyond a limit while one runs. Knows the structures of Emscripten's MEMFS.
 */

type Fields = Record<string, unknown>;

interface Node extends Fields {
  readonly mode: number;
  contents?: Uint8Array | Record<string, Node>;
  usedBytes?: number;
  mounted?: { readonly root: Node } | null;
}
interface Stream extends Fields {
  readonly node: Node;
  readonly shared: Fields;
}
type WriteOperation = (
  stream: Stream,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
  canOwn?: boolean,
) => number;
interface Operations {
  readonly file: {
    readonly stream: { write: WriteOperation };
    readonly node: { setattr(node: Node, attributes: { readonly size?: number }): void };
  };
}

/** As much of Emscripten's `FS` as is needed here. */
export interface EmscriptenFileSystem {
  root: Node;
  mounts: unknown[];
  devices: Fields;
  streams: (Stream | null)[];
  nextInode: number;
  nameTable: unknown[];
  currentPath: string;
  readonly ErrnoError: new (errno: number) => Error;
  readonly filesystems: { readonly MEMFS: { readonly ops_table: Operations } };
  isDir(mode: number): boolean;
  isFile(mode: number): boolean;
  writeFile(path: string, bytes: Uint8Array): void;
  mkdirTree(path: string): void;
}

export interface SealedFileSystem {
  restore(): void;
  /** From now on: bytes of one file, and of all that is written. */
  limit(bytes: number): void;
  write(path: string, bytes: Uint8Array): void;
}

/** Of Emscripten's C library. */
const [fileTooBig, noSpace] = [22, 51];

export function sealFileSystem(system: EmscriptenFileSystem): SealedFileSystem {
  const nodes = new Map<Node, Fields>();
  remember(system, system.root, nodes);
  const streams = system.streams.map((stream) =>
    stream ? { stream, fields: { ...stream }, shared: { ...stream.shared } } : null,
  );
  for (const one of streams) if (one) remember(system, one.stream.node, nodes);
  const { root, nextInode, currentPath } = system;
  const [mounts, devices, nameTable] = [[...system.mounts], { ...system.devices }, [...system.nameTable]];
  const original = sizeOf(system, nodes.keys());

  let limit = Infinity;
  /** At most what is written: what was removed again is noticed when the limit seems reached. */
  let written = 0;
  const grow = (node: Node, size: number) => {
    if (size > limit) throw new system.ErrnoError(fileTooBig);
    written += Math.max(0, size - (node.usedBytes ?? 0));
    if (written <= limit) return;
    const now = new Map<Node, Fields>();
    remember(system, system.root, now);
    for (const stream of system.streams) if (stream) now.set(stream.node, {});
    written = sizeOf(system, now.keys()) - original + Math.max(0, size - (node.usedBytes ?? 0));
    if (written > limit) throw new system.ErrnoError(noSpace);
  };
  const { stream, node } = system.filesystems.MEMFS.ops_table.file;
  const write = stream.write;
  // Contents change in place nowhere else: until then all programs may share them.
  const shared = new Set([...nodes.values()].map(({ contents }) => contents));
  stream.write = (target, buffer, offset, length, position, canOwn) => {
    grow(target.node, position + length);
    const { contents } = target.node;
    if (contents instanceof Uint8Array && shared.has(contents)) target.node.contents = contents.slice();
    return write(target, buffer, offset, length, position, canOwn);
  };
  const setAttributes = node.setattr.bind(node);
  node.setattr = (target, attributes) => {
    if (attributes.size !== undefined) grow(target, attributes.size);
    setAttributes(target, attributes);
  };

  return {
    restore: () => {
      limit = Infinity;
      written = 0;
      for (const [one, fields] of nodes) {
        putBack(one, fields);
        const { contents } = one;
        // The listing is kept for the next time.
        if (contents !== undefined && !(contents instanceof Uint8Array)) one.contents = { ...contents };
      }
      system.streams.length = 0;
      for (const one of streams) {
        if (one) {
          putBack(one.stream, one.fields);
          putBack(one.stream.shared, one.shared);
        }
        system.streams.push(one ? one.stream : null);
      }
      system.mounts = [...mounts];
      putBack(system.devices, devices);
      system.nameTable.length = nameTable.length;
      for (let index = 0; index < nameTable.length; index++) system.nameTable[index] = nameTable[index];
      Object.assign(system, { root, nextInode, currentPath });
    },
    limit: (bytes) => {
      limit = bytes;
    },
    write: (path, bytes) => {
      system.mkdirTree(path.slice(0, path.lastIndexOf('/')) || '/');
      system.writeFile(path, bytes);
    },
  };
}

function remember(system: EmscriptenFileSystem, node: Node, nodes: Map<Node, Fields>): void {
  if (nodes.has(node)) return;
  const { contents } = node;
  const fields: Fields = { ...node };
  if (contents !== undefined && !(contents instanceof Uint8Array)) fields['contents'] = { ...contents };
  nodes.set(node, fields);
  if (node.mounted) remember(system, node.mounted.root, nodes);
  if (!system.isDir(node.mode) || contents === undefined || contents instanceof Uint8Array) return;
  for (const child of Object.values(contents)) remember(system, child, nodes);
}

function sizeOf(system: EmscriptenFileSystem, nodes: Iterable<Node>): number {
  let bytes = 0;
  for (const node of nodes) if (system.isFile(node.mode)) bytes += node.usedBytes ?? 0;
  return bytes;
}

function putBack(target: Fields, fields: Fields): void {
  for (const key of Object.keys(target)) if (!Object.hasOwn(fields, key)) Reflect.deleteProperty(target, key);
  Object.assign(target, fields);
}

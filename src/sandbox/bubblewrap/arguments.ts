/**
 * The command line of bubblewrap: what a sandbox sees and what it may do, the same for every program so that
 * sandboxes can be started before their program is known.
 *
 * A sandbox sees the system's programs and libraries and the toolchains, read-only; /tmp with its own folder in it
 * and /dev/shm, both in memory and limited; its own processes; five devices. It has no home folder, no network, no
 * terminal, no host name. Nothing else is writable: bubblewrap's own tmpfs under / and /dev are read-only as well.
 */
import { existsSync, lstatSync, readlinkSync } from 'node:fs';

/** Where the program's files lie and where it starts. */
export const home = '/tmp/box';
/** Where compilers put what they make. */
export const buildFolder = '/build';

export interface View {
  /** Folders outside /usr that toolchains need, each read-only at the same path. */
  readonly folders: readonly string[];
  /** Whether the host user is root; the program then runs as another user. */
  readonly root: boolean;
}

/** What programs commonly read in /etc, and nothing that tells about this machine or its users. */
const configuration = [
  '/etc/alternatives',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/localtime',
  '/etc/mime.types',
  '/etc/ssl/certs',
];
const systemFolders = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const devices = ['null', 'zero', 'full', 'random', 'urandom'];

/** Before the command itself, which must be the init script. */
export function bubblewrapArguments(view: View, initialBytes: number): string[] {
  const words = ['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'];
  if (!view.root) words.push('--unshare-user', '--uid', '1000', '--gid', '1000');
  words.push('--die-with-parent', '--new-session', '--as-pid-1', '--clearenv', '--hostname', 'sandbox');
  // The init script needs these to set the limits of the file systems and to become another user, and drops them.
  words.push('--cap-drop', 'ALL', '--cap-add', 'CAP_SYS_ADMIN');
  if (view.root) {
    for (const name of ['SETUID', 'SETGID', 'SETPCAP', 'KILL', 'CHOWN'])
      words.push('--cap-add', `CAP_${name}`);
  }
  words.push('--ro-bind', '/usr', '/usr');
  for (const folder of systemFolders) {
    if (!existsSync(folder)) continue;
    if (lstatSync(folder).isSymbolicLink()) words.push('--symlink', readlinkSync(folder), folder);
    else words.push('--ro-bind', folder, folder);
  }
  const shown = [...configuration, ...view.folders].filter((path) => existsSync(path));
  // Folders on the way that bubblewrap would make by itself would be closed to the program.
  for (const folder of new Set(shown.flatMap(foldersAbove))) words.push('--perms', '0755', '--dir', folder);
  for (const path of shown) words.push('--ro-bind', path, path);
  words.push('--proc', '/proc', '--perms', '0755', '--tmpfs', '/dev');
  for (const name of devices) words.push('--dev-bind', `/dev/${name}`, `/dev/${name}`);
  words.push('--symlink', '/proc/self/fd', '/dev/fd');
  for (const [index, name] of ['stdin', 'stdout', 'stderr'].entries()) {
    words.push('--symlink', `/proc/self/fd/${index}`, `/dev/${name}`);
  }
  for (const folder of ['/dev/shm', '/tmp', buildFolder]) {
    words.push('--size', String(initialBytes), '--perms', '1777', '--tmpfs', folder);
  }
  words.push('--perms', '0777', '--dir', home);
  words.push('--remount-ro', '/dev', '--remount-ro', '/', '--chdir', '/');
  return words;
}

/** `/a/b/c`: `/a`, `/a/b`. */
function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

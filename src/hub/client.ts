/** What downloads from a Hugging Face Hub are told, what they say, and where they keep what they fetched. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { AhaError } from '../errors.ts';
import type { HubClient } from './request.ts';

export interface DownloadProgress {
  /** `org/name` */
  readonly repository: string;
  readonly file: string;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Of all files together. Grows by the shards once the index of a sharded model is known. */
  readonly allBytesDone: number;
  readonly allBytesTotal: number;
}

export interface HubOptions {
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
  /** Default: AHA_CACHE, or else `aha` in the platform's folder for caches. */
  readonly cacheFolder?: string;
  /** Default: HF_ENDPOINT, or else https://huggingface.co. */
  readonly endpoint?: string;
  /** Default: HF_TOKEN. Never logged. */
  readonly token?: string;
  /** Use what is cached, and no network. Default: HF_HUB_OFFLINE=1. */
  readonly offline?: boolean;
  /** Further tries after a failure that may pass. Default 5. */
  readonly retries?: number;
  /** Wait before the first further try; doubles with each. Default 1000. */
  readonly retryDelayMs?: number;
  /** How long to wait for the next bytes. Default 60000. */
  readonly timeoutMs?: number;
}

/** Whether to use what is cached and no network. */
export function isOffline({ offline }: HubOptions): boolean {
  return offline ?? process.env['HF_HUB_OFFLINE'] === '1';
}

/** Where downloads are kept: AHA_CACHE, or else `aha` in the platform's folder for caches. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment['AHA_CACHE'];
  if (own !== undefined && own !== '') return resolve(own);
  switch (process.platform) {
    case 'darwin':
      return join(homedir(), 'Library', 'Caches', 'aha');
    case 'win32':
      return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'aha', 'Cache');
    default: {
      const xdg = environment['XDG_CACHE_HOME'];
      return join(xdg !== undefined && xdg !== '' ? xdg : join(homedir(), '.cache'), 'aha');
    }
  }
}

/** Throws `AhaError` (configuration) for an address or a token that cannot be one. */
export function hubClient(
  { kind, repository }: Pick<HubClient, 'kind' | 'repository'>,
  options: HubOptions,
): HubClient {
  const endpoint =
    (options.endpoint ?? process.env['HF_ENDPOINT'] ?? '').replace(/\/+$/, '') || 'https://huggingface.co';
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new AhaError({
      code: 'hub-endpoint-invalid',
      boundary: 'configuration',
      what: 'The address of the Hub is not a web address',
      found: endpoint,
      expected: 'such as https://huggingface.co',
      fix: 'Correct or unset HF_ENDPOINT.',
    });
  }
  const token = (options.token ?? process.env['HF_TOKEN'] ?? '').trim();
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw new AhaError({
      code: 'hub-token-invalid',
      boundary: 'configuration',
      what: 'The access token for the Hub has characters that no token has',
      expected: 'one word such as hf_…',
      fix: 'Copy the token again into HF_TOKEN.',
    });
  }
  return {
    endpoint,
    token: token === '' ? undefined : token,
    kind,
    repository,
    retries: options.retries ?? 5,
    retryDelayMs: options.retryDelayMs ?? 1000,
    timeoutMs: options.timeoutMs ?? 60_000,
    signal: options.signal,
  };
}

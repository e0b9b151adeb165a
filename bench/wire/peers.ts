// Installs the peers that only the benchmark needs, into a folder of their own that git ignores. Their versions are pinned here.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const peers: Readonly<Record<string, string>> = { 'lifion-kinesis': '1.3.3' };

/** The benchmark runs in `.build/bench/wire`. */
const folder = fileURLToPath(new URL('../../../.cache/bench-peers/', import.meta.url));

/** To be resolved from. */
export const peerPackage = join(folder, 'package.json');

/** Returns why the peers are missing, or undefined if they are there. */
export async function installPeers(): Promise<string | undefined> {
  if (Object.entries(peers).every(([name, version]) => installedVersion(name) === version)) return undefined;
  mkdirSync(folder, { recursive: true });
  writeFileSync(peerPackage, JSON.stringify({ private: true, dependencies: peers }));
  const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-package-lock'];
  try {
    await promisify(execFile)('npm', ['install', ...options], { cwd: folder, timeout: 300_000 });
    return undefined;
  } catch {
    return 'npm install of the peers failed';
  }
}

function installedVersion(name: string): string | undefined {
  const manifest = join(folder, 'node_modules', name, 'package.json');
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version : undefined;
}

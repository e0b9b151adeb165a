// Starts and stops the process of the canned server. Called by measuring.ts, which has one for all sides of a case.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Addresses, Served } from './canned-server.js';

export interface ServerProcess {
  readonly addresses: Addresses;
  readonly stop: () => Promise<void>;
}

export async function startServer(served: Served): Promise<ServerProcess> {
  const program = fileURLToPath(new URL('./canned-server.js', import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify(served)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const first = once(createInterface(child.stdout), 'line');
  const [line] = (await Promise.race([first, ended])) as [unknown];
  if (typeof line !== 'string') throw new Error(`the canned server ended with ${String(line)}`);
  return {
    addresses: JSON.parse(line) as Addresses,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

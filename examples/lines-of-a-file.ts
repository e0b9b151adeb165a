// A pipe without a consumer, fed by hand: the lines of a file are divided by level, collected, and written. The number of a line is its
// offset. `onSettled` notes up to which line everything is done, so after a crash the next run feeds again from there, and loses nothing.
// Run: npm run example -- lines-of-a-file
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPipe, pipe, type PipeEnding } from 'kinact';

const total = 1_000;
const folder = await mkdtemp(join(tmpdir(), 'kinact-lines-'));
const file = join(folder, 'app.log');
await writeFile(file, Array.from({ length: total }, (_, n) => `${n % 3 === 0 ? 'WARN' : 'INFO'} line ${n}\n`).join(''));

/** By the idempotency key of the line, so a repeated line is there once. */
const written = new Map<string, string>();
let [writes, repeats] = [0, 0];

const lines = pipe<string>()
  .map((text, { item }) => ({ text, level: text.slice(0, 4), id: item?.token.idempotencyKey ?? '' }))
  .demux(({ level }) => level)
  .aggregate({ count: 50, intervalMs: 1_000 })
  .join()
  .to(async (batch) => {
    writes += 1;
    if (writes === 8) throw new Error('the disk is full');
    for (const { id, text } of batch) {
      if (written.has(id)) repeats += 1;
      written.set(id, text);
    }
  });

/** Feeds the lines from `firstLine` on. */
async function run(firstLine: number): Promise<PipeEnding> {
  let done = firstLine - 1;
  const opened = await openPipe(lines, {
    name: 'app.log',
    firstOffset: firstLine,
    onFailure: 'crash',
    onSettled: (line) => void (done = line),
    logger: false,
  });
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(file) }))
      if (number++ >= firstLine) await opened.feed(line, { deadlineMs: 10_000 });
  } catch {
    // The pipe has ended, and its ending says why.
  }
  const ending = await opened.finish();
  console.log(`lines ${firstLine} to ${done} are done, ${ending.open} open: ${ending.error?.message ?? 'no error'}`);
  return ending;
}

let ending = await run(0);
while (ending.open > 0) ending = await run(ending.firstOpen);
await rm(folder, { recursive: true });
console.log(`lines-of-a-file: ${written.size} of ${total} lines written, ${repeats} came again`);

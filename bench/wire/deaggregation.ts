// How fast kinact takes an aggregated record apart, with its checksum, beside aws-kinesis-agg with its own. Both read every byte that
// they give out. Called by benchmark.ts.
import { decodeAggregate } from '../../src/aws/aggregation/aggregate.js';
import { encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import { spreadOf, type Spread } from './spread.js';
import { deaggregateSync } from './loop-side.js';

const userRecords = 100;
const dataBytes = 100;

/** CPU of aws-kinesis-agg to that of kinact, over as many runs, in turns, each of `repeats` aggregates. */
export function deaggregateSpeedup(runs: number, repeats = 3_000): Spread {
  const users = Array.from({ length: userRecords }, (_, index) => ({
    partitionKey: `customer-${index}`,
    data: Buffer.alloc(dataBytes, index),
  }));
  const data = encodeAggregate(users);
  const kinact = (): number => sumOf((decodeAggregate(data).records ?? []).map((record) => record.data));
  const peer = (): number => {
    let sum = 0;
    deaggregateSync({ partitionKey: 'x', sequenceNumber: '1', data }, true, (error, records) => {
      if (error !== null && error !== undefined) throw error;
      sum = sumOf((records ?? []).map((record) => Buffer.from(record.data, 'base64')));
    });
    return sum;
  };
  if (kinact() !== peer()) throw new Error('deaggregation: the sides disagree');
  const pairs = Array.from({ length: runs + 1 }, () => cpuOf(peer, repeats) / cpuOf(kinact, repeats));
  // The first pair pays for the compiler.
  return spreadOf(pairs.slice(1));
}

function sumOf(all: readonly Uint8Array[]): number {
  let sum = 0;
  for (const data of all) sum += data.length + (data[0] ?? 0);
  return sum;
}

function cpuOf(work: () => number, repeats: number): number {
  const cpu = process.cpuUsage();
  for (let at = 0; at < repeats; at += 1) work();
  const { user, system } = process.cpuUsage(cpu);
  return user + system;
}

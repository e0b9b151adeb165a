// `kinact demo`, which `npm start` runs: the main job of kinact on real local servers. The demo is bounded in time. However it
// ends, it leaves no process or server behind.
import { oneLine } from '../core/visible.js';
import { loadStreamsSdk } from '../aws/dynamodb-streams/streams-sdk.js';
import { KinactError } from '../api/errors.js';
import { startLocalServers } from '../testing/local-servers.js';
import { scriptedServer } from '../testing/scripted-server/scripted-server.js';
import { errorLine, readOptions, UsageError, type Command, type CommandIo } from './command.js';
import type { ConsumerProcess } from './demo/processes.js';
import { reportLines, shortcomings, verdictLine } from './demo/report.js';
import { play, type ScenarioOptions, type Story } from './demo/scenario.js';
import { createSink, type Sink } from './demo/sink.js';
import { streamScene } from './demo/stream-scene.js';
import { tableScene } from './demo/table-scene.js';
import { findPacker } from './demo/writer.js';

const limitMs = 85_000;
const progressMs = 2_000;
const defaultRecords = 24_000;
/** The exit code that a shell gives to a command that Ctrl-C has ended. */
const interrupted = 130;

export const demo: Command = {
  usage: `Usage: kinact demo [--table]

Starts a local Kinesis and a local DynamoDB (kinesalite and dynalite have to be installed). Writes 24,000 user records to a
stream of two shards, half of them in KPL aggregates, and reads them by two consumer processes. One of these is killed, a
shard is split, and the last line says whether anything was lost. Exit code 1 if so, 130 where a signal interrupts it.
Takes less than 90 s.

  --table           the same over the changes of a DynamoDB table: 24,000 writes to 97 items of a table in memory, whose shards
                    also roll over. It needs @aws-sdk/client-dynamodb-streams
`,
  handlesSignals: true,
  async run(args, io) {
    const { table } = readOptions(args, { table: 'boolean' });
    // Without it neither consumer would start, and the verdict would be about nothing.
    if (table) await loadStreamsSdk();
    // For the demo's own tests: fewer records, and a record that is lost on purpose, in the sink or in the reducer.
    const { KINACT_DEMO_RECORDS: records, KINACT_DEMO_DAMAGE: damage } = io.env;
    if (records !== undefined && !/^[1-9]\d{1,6}$/.test(records))
      throw new UsageError(`KINACT_DEMO_RECORDS: expected a number from 10 to 9999999, got '${records}'`);

    const total = Number(records ?? defaultRecords);
    const damagedId = Math.floor(total / 2) * 2 - 1;
    const sink = createSink(damage === 'sink' ? damagedId : undefined);
    const dropInReducer = damage === 'reducer' ? damagedId : undefined;
    const source = table ? 'table' : 'stream';
    const story: PlayedStory = { source, consumers: [], checkpoints: new Map() };
    const say = narrator(io);

    const failure = await perform({ total, dropInReducer, sink, say }, story, io);

    // No verdict after an interrupt: records that are not read yet are not lost.
    if (io.signal.aborted) {
      await new Promise((resolve) => io.stdout.write('interrupted, no verdict\n', resolve));
      return interrupted;
    }

    const missing = shortcomings(story, sink);
    const lines = [
      '',
      ...reportLines(story, sink),
      '',
      ...(failure === undefined ? [] : [`the demo did not finish: ${errorLine(failure)}`]),
      ...missing.map((text) => `not shown: ${text}`),
      verdictLine(sink.verdict()),
    ];
    await new Promise((resolve) => io.stdout.write(`${lines.join('\n')}\n`, resolve));
    return failure === undefined && missing.length === 0 && sink.verdict().lost === 0 ? 0 : 1;
  },
};

type PlayedStory = Story & { consumers: ConsumerProcess[] };

/** Starts the servers, runs the scenario, and always cleans up. Resolves to the error of the scenario. */
async function perform(
  wanted: Pick<ScenarioOptions, 'total' | 'dropInReducer' | 'sink' | 'say'>,
  story: PlayedStory,
  io: CommandIo,
): Promise<unknown> {
  const { sink, say } = wanted;
  const killAll = (): void => {
    for (const consumer of story.consumers) if (consumer.ended === undefined) consumer.kill('SIGKILL');
  };
  process.once('exit', killAll);

  const servers = await startLocalServers();
  const tables = story.source === 'table' ? await scriptedServer({ proxy: { upstream: servers.dynamodb } }) : undefined;
  const packer = findPacker();
  if (tables === undefined) {
    say(`local servers: Kinesis at ${servers.kinesis}, DynamoDB at ${servers.dynamodb}`);
    say(`aggregates are made by ${packer.name}`);
  } else say(`local servers: the table and its stream at ${tables.url}, the lease table at ${servers.dynamodb}`);

  const progress = setInterval(() => say(progressText(story, sink)), progressMs);
  try {
    // The AWS clients of this process, too, must reach only these servers.
    for (const name of foreignSettings) delete process.env[name];
    Object.assign(process.env, localEnvironment({ ...servers, tables: tables?.url }));
    const limit = AbortSignal.timeout(limitMs);
    const signal = AbortSignal.any([io.signal, limit]);
    const scene = tables === undefined ? streamScene(packer, signal) : tableScene(tables);
    await play({ ...wanted, scene, env: process.env, signal }, story).catch((error: unknown) => {
      if (limit.aborted) throw new KinactError('STOPPED', `it was not done within ${limitMs / 1_000} s`);
      throw error;
    });
    return undefined;
  } catch (error) {
    return error;
  } finally {
    clearInterval(progress);
    killAll();
    await Promise.all(story.consumers.map(({ closed }) => closed));
    await tables?.stop();
    await servers.stop();
    process.off('exit', killAll);
  }
}

/** Settings that could send an AWS client elsewhere. */
const foreignSettings = ['AWS_PROFILE', 'AWS_SESSION_TOKEN', 'AWS_ENDPOINT_URL', 'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS'];

function localEnvironment(servers: {
  readonly kinesis: string;
  readonly dynamodb: string;
  readonly tables: string | undefined;
}): Record<string, string> {
  return {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_KINESIS: servers.kinesis,
    // The server of the tables passes calls for the lease table on.
    AWS_ENDPOINT_URL_DYNAMODB: servers.tables ?? servers.dynamodb,
    ...(servers.tables === undefined ? {} : { AWS_ENDPOINT_URL_DYNAMODB_STREAMS: servers.tables }),
  };
}

function narrator(io: CommandIo): (text: string) => void {
  const startedAt = performance.now();
  return (text) => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5);
    io.stdout.write(`${seconds} s  ${oneLine(text)}\n`);
  };
}

function progressText(story: Story, sink: Sink): string {
  const perProcess = story.consumers.map(({ name, ended }) => {
    const records = sink.byProcess.filter((line) => line.process === name).reduce((sum, line) => sum + line.records, 0);
    return `${name} ${ended === undefined ? records : `${records} (gone)`}`;
  });
  return `written ${sink.written}, seen ${sink.seen}; delivered by ${perProcess.join(', ')}`;
}

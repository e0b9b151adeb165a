// For any arguments, input and environment, the command line ends with an exit code, and with one line that gives the reason for a
// failure. It never prints a stack trace and never hangs. KINACT_SEED=n runs another sequence; the seed is in the test's name, the
// input in the message of a failure.
import { Readable } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_RECORD_BYTES } from '../../src/aws/aggregation/aggregate-encoder.js';
import { cliHarness, type CliRun, type CliHarness } from '../support/cli-harness.js';

const seed = Number(process.env['KINACT_SEED'] ?? 20_261_122);

/** Refuses every operation permanently, so that a correct command ends at once with exit code 1. */
const refusing = (): { status: number; body: object } => ({
  status: 400,
  body: { __type: 'AccessDeniedException', message: 'not\nfor\tyou' },
});

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('\n', '\r', '\u0000', '\u001B[2J', '\u2028', '-', '=', "'", 'a', '🦜'),
    maxLength: 9,
  }),
  fc.constantFrom('__proto__', 'constructor', 'toString', '0', '-1', 'NaN', '1e9', '--', '-', '/', '..', ' '),
);
const flags = ['--stream', '--application', '--from', '--text', '--until-idle', '--json', '--aggregate', '--key-field'];
const parkedFlags = ['--path', '--progress', '--id', '--limit', '--into-stream', '--module', '--again'];
const commands = ['put', 'tail', 'leases', 'demo', 'parked list', 'parked show', 'parked replay'];
const argument = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...flags) },
  { weight: 2, arbitrary: fc.constantFrom(...parkedFlags) },
  { weight: 2, arbitrary: fc.constantFrom('orders', 'TRIM_HORIZON', '1000', '2026-01-31', '--help', '-h', '-v') },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...flags, ...parkedFlags, '--'), text)
      .map(([flag, value]) => `${flag}=${value}`),
  },
  { weight: 2, arbitrary: text },
);
const anyArguments = fc
  .tuple(fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...commands) }, text), fc.array(argument, { maxLength: 7 }))
  // The demo has no options. Without further arguments, `demo` would run it.
  .map(([command, rest]) => {
    if (command === 'demo' && rest.length === 0) return ['demo', 'again'];
    return command.startsWith('parked ') ? [...command.split(' '), ...rest] : [command, ...rest];
  });

/** Draws only settings that cannot lead the SDK away from the test's server. */
const environment = fc.dictionary(
  fc.constantFrom(
    ...['AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE'],
    ...['AWS_MAX_ATTEMPTS', 'AWS_RETRY_MODE', 'AWS_USE_FIPS_ENDPOINT', 'AWS_DEFAULTS_MODE', 'KINACT_DEMO_RECORDS'],
  ),
  // No environment holds a NUL.
  text.map((value) => value.replaceAll('\u0000', '')),
  { maxKeys: 3 },
);

function lawful({ code, stdout, stderr }: CliRun): void {
  expect(code).to.be.oneOf([0, 1, 2]);
  expect(stderr, 'a stack trace').to.not.match(/^\s*at .*[(/:]/m);
  if (code === 0) return;
  if (code === 2) expect(stdout).to.equal('');
  const lines = stderr.replace(/\n0 records put\n$/, '\n');
  expect(lines, 'one line with a code').to.match(
    code === 2 ? /^USAGE: [^\p{Cc}]+\n$/u : /^[A-Z][A-Z0-9_]+: [^\p{Cc}]+\n$/u,
  );
}

describe(`the command line, with any input (KINACT_SEED=${seed})`, function () {
  this.timeout(120_000);
  let harness: CliHarness;
  before(async () => {
    harness = await cliHarness(refusing);
  });
  after(() => harness.close());

  it('exits with 0, 1 or 2 for any arguments and environment, and explains failures in one line', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyArguments,
        environment,
        fc.array(fc.uint8Array(), { maxLength: 2 }),
        async (args, env, stdin) => {
          lawful(await harness.kinact(args, { env, stdin: Readable.from(stdin) }));
        },
      ),
      { seed, numRuns: 2_000 },
    );
  });

  it('exits with 1 if the service refuses a correct command, and with 2 if an argument is wrong', async () => {
    const right: readonly (readonly string[])[] = [
      ['put', '--stream', 'orders', '--aggregate', '--key-field', 'id'],
      ['tail', '--stream', 'orders', '--from', '2026-01-31T12:00:00Z', '--text', '--until-idle', '1000'],
      ['tail', '--application', 'totals', '--from=LATEST', '--stream=orders'],
      ['leases', '--json', '--application', 'totals'],
    ];
    const wrong = fc.oneof(
      fc.constantFrom(
        ['stray'],
        ['--stream', 'orders'],
        ['--application', 'totals'],
        ['--json'],
        ['--text'],
        ['--from'],
      ),
      text
        .filter((each) => each !== '--')
        .filter((each) => !/^(-h|--help)$/.test(each))
        .map((each) => [each]),
    );
    const regions = ['x y', '../..', 'a_b', '\n'];
    for (const [index, args] of right.entries()) {
      const result = await harness.kinact(args, { env: { AWS_REGION: regions[index] as string } });
      lawful(result);
      expect(result.stderr).to.match(/^CREDENTIALS_MISSING: .*AWS_REGION/);
    }
    const accepted: Record<string, string> = { put: '', tail: '--application totals', leases: '' };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...right), wrong, fc.boolean(), async (args, more, spoilt) => {
        const added = more.join(' ');
        fc.pre(!spoilt || (added !== accepted[args[0] ?? ''] && !(args[0] === 'tail' && added === '--text')));
        const result = await harness.kinact(spoilt ? [...args, ...more] : args);
        lawful(result);
        expect(result.code).to.equal(spoilt ? 2 : 1);
      }),
      { seed, numRuns: 600 },
    );
  });
});

/** A server that accepts every record, and adds the data of each to `taken`. */
function taking(taken: string[]): (operation: string, input: never) => { status: number; body: object } {
  const range = { StartingHashKey: '0', EndingHashKey: String(2n ** 128n - 1n) };
  const shard = {
    ShardId: 'shardId-000000000000',
    HashKeyRange: range,
    SequenceNumberRange: { StartingSequenceNumber: '1' },
  };
  return (operation, input) => {
    if (operation === 'ListShards') return { status: 200, body: { Shards: [shard] } };
    if (operation === 'DescribeStreamSummary') {
      const StreamARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/orders';
      return {
        status: 200,
        body: { StreamDescriptionSummary: { StreamName: 'orders', StreamARN, StreamStatus: 'ACTIVE' } },
      };
    }
    const { Records } = input as { readonly Records: readonly { readonly Data: string }[] };
    taken.push(...Records.map(({ Data }) => Data));
    const results = Records.map(() => ({ ShardId: shard.ShardId, SequenceNumber: '2' }));
    return { status: 200, body: { FailedRecordCount: 0, Records: results } };
  };
}

const json = fc.oneof(
  fc.json(),
  fc
    .record({ id: fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant('')) })
    .map((each) => JSON.stringify(each)),
  fc.constantFrom(
    '{"id":"a","id":{}}',
    '{"__proto__":{"id":"x"}}',
    '[{"id":1}]',
    '{"id":"\\ud800"}',
    '{"id":1e999}',
    '{',
  ),
  fc.integer({ min: 250, max: 260 }).map((length) => JSON.stringify({ id: 'k'.repeat(length) })),
);
const line = fc.oneof(
  { weight: 10, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 10, arbitrary: json.map((each) => Buffer.from(each)) },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom('c3', 'ff', 'eda080', 'f4908080', '00', '0d', 'efbbbf7b7d')
      .map((hex) => Buffer.from(hex, 'hex')),
  },
  { weight: 1, arbitrary: fc.integer({ min: -40, max: 2 }).map((more) => Buffer.alloc(MAX_RECORD_BYTES + more, 'x')) },
);
/** Bytes as a pipe delivers them: cut anywhere. */
const piped = fc.tuple(
  fc.array(line, { maxLength: 12 }),
  fc.boolean(),
  fc.infiniteStream(fc.integer({ min: 1, max: 60_000 })),
);

function* cut(bytes: Buffer, sizes: Iterable<number>): Generator<Buffer> {
  let from = 0;
  for (const size of sizes) {
    if (from >= bytes.length) return;
    yield bytes.subarray(from, from + size);
    from += size;
  }
}

describe(`kinact put, with any input (KINACT_SEED=${seed})`, function () {
  this.timeout(120_000);
  const taken: string[] = [];
  let harness: CliHarness;
  before(async () => {
    harness = await cliHarness(taking(taken));
  });
  after(() => harness.close());

  it('puts each line unchanged or reports it as refused, and counts both', async () => {
    const keyField = fc.option(fc.constantFrom('id', '__proto__', 'a\nb', ' '), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(piped, keyField, async ([lines, ended, sizes], field) => {
        taken.length = 0;
        const input = Buffer.concat(
          lines.flatMap((each, index) => (index + 1 < lines.length || ended ? [each, Buffer.of(10)] : [each])),
        );
        const args = ['put', '--stream', 'orders', ...(field === undefined ? [] : ['--key-field', field])];
        const { code, stderr } = await harness.kinact(args, { stdin: Readable.from(cut(input, sizes)) });
        const whole = input.toString('latin1').split('\n');
        if (whole.at(-1) === '') whole.pop();
        const said = stderr.split('\n');
        expect(said.pop()).to.equal('');
        expect(said.pop()).to.equal(`${taken.length} records put`);
        const named = said.filter((each) => /^line \d+ refused: [^\p{Cc}]+$/u.test(each));
        const refused = Number(/^(\d+) lines refused in all$/.exec(said.at(-1) ?? '')?.[1] ?? named.length);
        expect(said.length - named.length).to.equal(refused > 10 ? 1 : 0);
        expect(taken.length + refused, 'lines put or refused').to.equal(whole.length);
        expect(code).to.equal(refused === 0 ? 0 : 1);
        const gone = new Set(named.map((each) => Number(each.split(' ')[1]) - 1));
        if (refused > 10) return;
        const kept = whole
          .filter((_, index) => !gone.has(index))
          .map((each) => Buffer.from(each, 'latin1').toString('base64'));
        expect(taken).to.deep.equal(kept);
      }),
      { seed, numRuns: 150 },
    );
  });

  it('reports the error if the input breaks, and how many records were put', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 4 }), text, fc.boolean(), async (lines, message, aggregate) => {
        const chunks = lines.map((each) => Buffer.concat([each, Buffer.of(10)]));
        const stdin = Readable.from(
          (async function* () {
            yield* chunks;
            throw new Error(message);
          })(),
        );
        const { code, stderr } = await harness.kinact(
          ['put', '--stream', 'orders', ...(aggregate ? ['--aggregate'] : [])],
          { stdin },
        );
        expect(code).to.equal(1);
        const all = stderr.trimEnd().split('\n');
        const said = all.filter((each) => !/^line \d+ refused: /.test(each));
        expect(said[0]).to.match(/^UNEXPECTED: [^\p{Cc}]*$/u);
        const given = Buffer.concat(chunks).filter((byte) => byte === 10).length;
        expect(said.slice(1)).to.deep.equal([`${given - (all.length - said.length)} records put`]);
      }),
      { seed, numRuns: 100 },
    );
  });
});

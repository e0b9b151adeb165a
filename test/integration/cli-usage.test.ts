// Wrong usage gives exit code 2, one line on stderr and nothing on stdout; help and version give 0.
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { run } from '../../src/cli/command-line.js';
import { environment, kinact } from '../support/command.js';

const env = environment({});

/** Runs the command in this process, and returns its exit code and output. */
async function answerTo(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io = { stdin: new PassThrough(), stdout, stderr, env, signal: new AbortController().signal };
  const code = await run(args, io, () => undefined);
  return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') };
}

describe('the command line', () => {
  it('answers wrong usage with exit code 2, one line on stderr and nothing on stdout', async () => {
    const wrong: [string[], RegExp][] = [
      [[], /no command is given; see kinact --help/],
      [['frobnicate'], /unknown command 'frobnicate'; see kinact --help/],
      [['put'], /--stream is missing; see kinact put --help/],
      [['put', '--stream'], /--stream/],
      [['put', '--stream', 'a', '--stream', 'b'], /--stream is given 2 times/],
      [['put', '--stream', ''], /--stream is empty/],
      [['put', '--stream', 'a b'], /--stream: expected a stream name .* or an ARN, .*, got 'a b'/],
      [
        ['tail', '--stream', 'arn:aws:kinesis:us-east-1:1:stream/a'],
        /--stream: expected .* an ARN, arn:aws:kinesis:REGION/,
      ],
      [['put', '--stream', 'a', 'stray'], /stray/],
      [['leases', '--application', 'app', '--jason'], /--jason/],
      [['lag'], /--application is missing/],
      [['lag', '--application', 'app', '--watch', '5'], /--watch: expected milliseconds, 2000 to 999999999, got '5'/],
      [['lag', '--application', 'app', '--stream', 's', '--table', 't'], /expected --stream or --table, got both/],
      [['leases', '--json=yes', '--application', 'app'], /--json/],
      [['leases', '--application', 'a/b'], /--application: expected 3 to 255/],
      [['tail', '--stream', 's', '--application', 'a'], /--application: expected 3 to 255/],
      [['demo', 'again'], /again/],
      [['tail'], /--stream or --table is missing/],
      [['tail', '--stream', 's', '--table', 'orders'], /expected --stream or --table, got both/],
      [
        ['tail', '--table', 'a/b'],
        /--table: expected a table's name .* or the ARN of a table's stream, .*, got 'a\/b'/,
      ],
      [['tail', '--table', 'orders', '--text'], /--text goes with --stream/],
      [['tail', '--table', 'orders', '--from', '2026-01-31'], /--from: expected TRIM_HORIZON or LATEST with --table/],
      [['reset', '--application', 'app', '--table', 'o', '--to', 'LATEST'], /--table: expected/],
      [['help', 'frobnicate'], /unknown command 'frobnicate'/],
      [['tail', '--stream', 's', '--from', '2999-01-01'], /--from: 2999-01-01 is in the future/],
      [['tail', '--stream', 's', '--from', '1960-01-01'], /--from: 1960-01-01 is before 1970/],
      [['tail', '--stream', 's', '--from', '2026-01-31T12:00:00'], /--from: expected .*a time with its zone/],
      [['reset', '--application', 'app', '--to', '2026-01-31T12:00'], /--to: expected .*a date \(midnight UTC\)/],
      [['tail', '--stream', 's', '--until-idle', '0'], /--until-idle: expected milliseconds, 1 to 999999999, got '0'/],
      [['reset', '--application', 'app', '--to', '-5'], /starting with a dash use '--to=-XYZ'/],
    ];
    const [[first]] = wrong as [(typeof wrong)[0]];
    const process = await kinact(first, env);
    for (const [args, text] of wrong) {
      const { code, stdout, stderr } = args === first ? process : await answerTo(args);
      expect({ args, code, stdout }).to.deep.equal({ args, code: 2, stdout: '' });
      expect(stderr)
        .to.match(/^USAGE: [^\n]+\n$/)
        .and.match(text);
    }
  });

  it('prints help and version on stdout and exits with 0', async () => {
    const version = (
      JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
    ).version;
    const [help, of, short, said] = await Promise.all(
      [['--help'], ['put', '--help'], ['leases', '-h'], ['--version']].map((args) => kinact(args, env)),
    );
    expect((await kinact(['help', 'leases'], env)).stdout).to.equal(short!.stdout);
    for (const each of [help, of, short, said]) expect(each).to.include({ code: 0, stderr: '' });
    expect(help!.stdout)
      .to.match(/^Usage: kinact <command>/)
      .and.match(/\n {2}put /)
      .and.match(/\nExit codes: 0 done; 1 failed/);
    expect(of!.stdout).to.match(/^Usage: kinact put --stream S/);
    expect(short!.stdout).to.match(/^Usage: kinact leases --application A/);
    expect(said!.stdout).to.equal(`${version}\n`);
  });
});

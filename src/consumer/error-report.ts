// An error in a few lines, for the person who reads the last words of a process: code, what happened, why, what to do.
// Called by `runUntilSignal` for a KinactError that nobody catches, in place of Node's print of the object.
import { oneLine, visible } from '../core/visible.js';
import { isKinactError } from '../api/errors.js';
import type { KinactError } from '../api/errors.js';
import { remedies } from '../api/remedies.js';

const mostCauses = 8;
/** Of a stack that leads through the application. */
const mostFrames = 5;
const longestData = 400;
/** Where kinact's own programs are, as a frame of a stack has it. */
const own = ['src', 'actors', 'supervision'].map((root) => new URL(`../../${root}/`, import.meta.url).pathname);

/** Lines without their ends. If a cause is the application's own, the places in it where the cause came from follow. */
export function errorReport(error: KinactError): readonly string[] {
  const lines = [`kinact: ${error.code}: ${oneLine(error.message)}`];
  let cause: unknown = error.cause;
  for (let depth = 0; cause !== undefined && depth < mostCauses; depth += 1) {
    lines.push(`  caused by ${nameOf(cause)}: ${oneLine(messageOf(cause))}`);
    if (!isKinactError(cause)) lines.push(...framesOf(cause).map((frame) => `    ${visible(frame)}`));
    cause = (cause as { readonly cause?: unknown } | null)?.cause;
  }
  const data = oneLine(JSON.stringify(error.data));
  if (data !== '{}') lines.push(`  data: ${data.length > longestData ? `${data.slice(0, longestData)}…` : data}`);
  lines.push(`  what to do: ${plain(remedies[error.code])}`);
  return lines;
}

function nameOf(cause: unknown): string {
  if (isKinactError(cause)) return cause.code;
  return cause instanceof Error ? visible(cause.name) : `a thrown ${cause === null ? 'null' : typeof cause}`;
}

function messageOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.message !== '') return cause.message;
  // Several addresses of one host: Node says nothing but what each of them said.
  return cause instanceof AggregateError ? cause.errors.map((each) => messageOf(each)).join('; ') : '(no message)';
}

/** The frames that are neither Node's, nor a package's, nor kinact's. */
function framesOf(cause: unknown): readonly string[] {
  if (!(cause instanceof Error) || typeof cause.stack !== 'string') return [];
  const frames = cause.stack.split('\n').filter((line) => /^ {4}at /.test(line));
  return frames
    .map((frame) => frame.trim())
    .filter((frame) => !/node:|node_modules|<anonymous>/.test(frame) && !own.some((place) => frame.includes(place)))
    .slice(0, mostFrames);
}

/** Markdown as a terminal shows it: of a link the page. */
function plain(markdown: string): string {
  return markdown.replaceAll(/\[[^[\]]*\]\(([^()]*)\)/g, 'docs/$1').replaceAll(/[`*]/g, '');
}

// An error in a few lines, for a person who reads the last output of a process: code, message, causes and what to do.
// `runUntilSignal` prints it for an uncaught KinactError, in place of Node's print of the object.
import { causesOf, describeError, fullMessageOf } from '../core/thrown.js';
import { oneLine, visible } from '../core/visible.js';
import { isKinactError, type KinactError } from '../api/errors.js';
import { remedies } from '../api/remedies.js';

/** How many stack frames of the application are shown for each cause. */
const maxFrames = 5;
const maxDataCharacters = 400;
/** The folders of kinact's own code, as they appear in stack frames. */
const own = ['src', 'actors', 'supervision'].map((root) => new URL(`../../${root}/`, import.meta.url).pathname);

/** Lines without line ends. Below a cause that is not kinact's, the stack frames of the application follow. */
export function errorReport(error: KinactError): readonly string[] {
  const lines = [`kinact: ${error.code}: ${oneLine(error.message)}`];
  for (const cause of causesOf(error).slice(1)) {
    lines.push(`  caused by ${nameOf(cause)}: ${oneLine(fullMessageOf(cause))}`);
    if (!isKinactError(cause)) lines.push(...framesOf(cause).map((frame) => `    ${visible(frame)}`));
  }

  const data = oneLine(JSON.stringify(error.data));
  if (data !== '{}')
    lines.push(`  data: ${data.length > maxDataCharacters ? `${data.slice(0, maxDataCharacters)}…` : data}`);
  lines.push(`  what to do: ${plain(remedies[error.code])}`);
  return lines;
}

function nameOf(cause: unknown): string {
  if (isKinactError(cause)) return cause.code;
  const described = describeError(cause);
  return typeof described === 'object' ? described.name : `a thrown ${cause === null ? 'null' : typeof cause}`;
}

/** The stack frames that are not Node's, a package's or kinact's. */
function framesOf(cause: unknown): readonly string[] {
  const described = describeError(cause);
  if (typeof described !== 'object' || described.stack === undefined) return [];
  const frames = described.stack.split('\n').filter((line) => /^ {4}at /.test(line));
  return frames
    .map((frame) => frame.trim())
    .filter((frame) => !/node:|node_modules|<anonymous>/.test(frame) && !own.some((place) => frame.includes(place)))
    .slice(0, maxFrames);
}

/** Markdown as plain text for a terminal. A link becomes the name of its page. */
function plain(markdown: string): string {
  return markdown.replaceAll(/\[[^[\]]*\]\(([^()]*)\)/g, 'docs/$1').replaceAll(/[`*]/g, '');
}

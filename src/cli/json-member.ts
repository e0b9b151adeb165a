// Finds the text of a member's value in a JSON object, for `kinact put --key-field`: a number of more than 15 digits loses digits
// as a JavaScript number, and 1.0 its fraction. One pass without recursion, because a line may have 10 MiB.

const quote = 0x22;
const backslash = 0x5c;

/**
 * The number that the member has in the text, as it is written there. The last of several members of one name counts, as for
 * `JSON.parse`. `json` must be a valid JSON object whose member `name` is a number.
 */
export function numberText(json: string, name: string): string {
  let found = '';
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const char = json[at]!;
    if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    else if (char === '"') {
      const end = endOfString(json, at);
      const value = depth === 1 ? valueAfter(json, end) : undefined;
      if (value !== undefined && JSON.parse(json.slice(at, end)) === name) found = numberAt(json, value);
      at = end - 1;
    }
  }
  return found;
}

/** The position behind the closing quote. */
function endOfString(json: string, open: number): number {
  let at = open + 1;
  for (let code = json.charCodeAt(at); code !== quote; code = json.charCodeAt(at)) at += code === backslash ? 2 : 1;
  return at + 1;
}

/** The position behind the colon that follows a name; undefined behind a string that is a value. */
function valueAfter(json: string, end: number): number | undefined {
  const colon = pastSpace(json, end);
  return json[colon] === ':' ? pastSpace(json, colon + 1) : undefined;
}

function pastSpace(json: string, from: number): number {
  let at = from;
  while (json.charCodeAt(at) <= 0x20) at += 1;
  return at;
}

function numberAt(json: string, from: number): string {
  let to = from;
  while ('+-.0123456789Ee'.includes(json[to] ?? '}')) to += 1;
  return json.slice(from, to);
}

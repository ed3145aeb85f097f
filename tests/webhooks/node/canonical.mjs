// What V8 makes of bodies: reads them as JSON strings, one a line; writes JSON.stringify(JSON.parse(body)), or null.
import { readFileSync } from 'node:fs';

const written = readFileSync(0, 'utf8').trimEnd().split('\n').map((line) => {
  try {
    return JSON.stringify(JSON.stringify(JSON.parse(JSON.parse(line))));
  } catch {
    return 'null';
  }
});
process.stdout.write(written.join('\n') + '\n');

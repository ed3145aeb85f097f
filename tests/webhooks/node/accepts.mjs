// What the API page's Node sample says of webhooks: reads {body, signature, secret}, one a line; writes true or false.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const { verifyWebhook } = createRequire(import.meta.url)('./page_sample.cjs');
const said = readFileSync(0, 'utf8').trimEnd().split('\n').map((line) => {
  const { body, signature, secret } = JSON.parse(line);
  try {
    return verifyWebhook(JSON.parse(body), signature, secret);
  } catch {
    return false;
  }
});
process.stdout.write(JSON.stringify(said));

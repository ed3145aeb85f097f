// Writes ../vectors.jsonl to its standard output: `node make_vectors.mjs > ../vectors.jsonl`. The same on every run.
//
// One webhook a line: `body` as it is sent, `mac` as the page's Node sample expects it, and `signed`, the text that was
// signed, where it is another than the body. The first AS_SIGNED are sent as they were signed; the others mean the same
// and are written otherwise, as by a queue or a proxy on the way.
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';

const { verifyWebhook } = createRequire(import.meta.url)('./page_sample.cjs');
const SECRET = 'whsec_vectors';
const AS_SIGNED = 2000;
const WRITTEN_OTHERWISE = 300;

let state = 360;
// mulberry32: a generator of our own, as Math.random cannot be seeded.
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
const below = (limit) => Math.floor(random() * limit);
const one = (list) => list[below(list.length)];
const chance = (share) => random() < share;

const FIRST = ['José', 'Zoë', 'Łukasz', 'Σοφία', 'Дмитрий', '美咲', '민준', 'محمد', 'नेहा', 'Ngọc', 'Øystein', 'Çağla',
  'Jürgen', 'André', 'Siân', 'Ólafur', 'יעל', 'สมชาย', '👩🏽‍💻', 'Anna', 'John'];
const LAST = ['Müller', 'Nuñez', 'Øst', 'Παπαδοπούλου', 'Иванов', '田中', '김', 'العلي', 'शर्मा', 'Nguyễn', 'Žižek', 'Åberg',
  'Gößmann', 'O’Brien', "O'Brien", 'D"Arc', 'Smith', 'Lee'];
const COMPANY = ['Café Zürich', 'Ελλάς Α.Ε.', '株式会社山田', 'ООО Ромашка', 'Acme Corp', 'Smith & Søn <ApS>', 'a/b \\ c',
  'Two\nlines', 'Tab\there', 'Bell\u0007', 'DEL\u007f', 'Line\u2028sep', 'Para\u2029sep', 'Lone\ud83d', 'Back\udc00',
  'nb\u00a0sp', 'z\ufeffw', '🏢', 'é'.normalize('NFD')];
const NUMBERS = [1, -1, 1.5, 0.1, 1e21, 1e20, 123456789012345680000, 1e-6, 1e-7, 1.5e-9, 5e-324, 1.7976931348623157e308,
  2 ** 53, -(2 ** 53), 2 ** 63, 0.30000000000000004, 4.35, 100, 1e300];
const KEYS = ['10', '9', '1', '0', '4294967294', '4294967295', '01', '-1', '1.5', '__proto__', 'constructor', 'größe', ''];

function payload() {
  const data = {};
  if (chance(0.85)) data.first_name = one(FIRST);
  if (chance(0.85)) data.last_name = one(LAST);
  data.email = `${below(10_000)}@a.example`;
  if (chance(0.4)) data.company_name = one(COMPANY);
  if (chance(0.15)) data.amount = one(NUMBERS);
  if (chance(0.15)) {
    data.extra = {};
    for (let count = 1 + below(4); count; count--) {
      // As JSON.parse does it: `__proto__` becomes a key like any other.
      Object.defineProperty(data.extra, one(KEYS), { value: below(99), enumerable: true, configurable: true });
    }
  }
  if (chance(0.2)) data.note = one([null, true, false, [], {}, [1, [2, []]]]);
  return { event: 'client.created', data, timestamp: '2024-01-15T09:00:00Z' };
}

const HEX = (char) => '\\u' + char.charCodeAt(0).toString(16).padStart(4, '0');
const NUMBERS_OTHERWISE = ['1.0', '-0', '-0.0', '0.0', '1e2', '1E+2', '1e-7', '0.0000001', '9007199254740993', '1e400',
  '-1e999', '12345678901234567890123', '0.1000000000000000055', '100000000000000000000000', '2e-6', '5e-325', '1.50'];
const NAMES_OTHERWISE = ['"10"', '"9"', '"\\u0031"', '"4294967294"', '"4294967295"', '"__proto__"', '"__\\u0070roto__"',
  '"n"', '"a\\/b"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\udfff\\ud800"', '"DEL\u007f"', '"\u2028"', '"e\\u0301"', '""'];
const VALUES_OTHERWISE = ['"\\u00e9"', '"\\/\\b\\f"', '"\\uD83D\\uDE00"', '"\\ud800"', '"\\u007F"', 'null', '[ ]',
  '[1.0,\t-0]', '{ "2" : 1 , "1" : 2 }', '{"a":1,"b":2,"a":3}', '"\\u2028"', '"Jos\\u00e9"'];
// Each gets a text and gives one of the same value, or of another that is signed as what it reads.
const OTHERWISE = [
  (text) => text.replace(/[^\x00-\x7e]/g, HEX),
  (text) => text.replace(/\//g, '\\/'),
  (text) => JSON.stringify(JSON.parse(text), null, one([1, 2, 4, '\t'])),
  (text) => ` ${text.replace(/":/g, '": ')}\r\n`,
  (text) => text.replace('"data":{', '"data":{"email":"first@a.example",'),
  (text) => text.replace('"data":{', () => `"data":{${one(NAMES_OTHERWISE)}:${one(NUMBERS_OTHERWISE)},`),
  (text) => text.replace('"data":{', () => `"data":{${one(NAMES_OTHERWISE)}: ${one(VALUES_OTHERWISE)},`),
];
function otherwise(text) {
  let changed = text;
  for (let count = 1 + below(3); count; count--) changed = one(OTHERWISE)(changed);
  return changed;
}

function line(body) {
  const signed = JSON.stringify(JSON.parse(body));
  const mac = createHmac('sha256', SECRET).update(signed).digest('hex');
  if (!verifyWebhook(JSON.parse(body), `sha256=${mac}`, SECRET)) throw new Error('the page would not take it');
  return JSON.stringify({ body, mac, ...(signed === body ? {} : { signed }) });
}

for (let count = 0; count < AS_SIGNED; count++) console.log(line(JSON.stringify(payload())));
for (let count = 0; count < WRITTEN_OTHERWISE; ) {
  const text = JSON.stringify(payload());
  const body = otherwise(text);
  if (body === JSON.stringify(JSON.parse(body))) continue;
  console.log(line(body));
  count++;
}

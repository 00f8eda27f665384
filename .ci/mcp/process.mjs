// Processes: capd as a server, and commands that end.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const patience = 120_000; // ms that a command may take

// serve starts `capd serve` with args on a free port. It gives { documents, url, stop }: what the log says of each
// document, and url(id, kind), where an adapter of a document is.
export async function serve(capd, args, env = {}) {
  const child = spawn(capd, ['serve', '--listen', '127.0.0.1:0', '--log-format', 'json', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const documents = await new Promise((resolve, reject) => {
    child.once('error', reject);
    ended.then((code) => reject(new Error(`capd serve ended with status ${code} before it served`)));
    createInterface({ input: child.stderr }).on('line', (line) => {
      const record = JSON.parse(line);
      if (record.msg === 'serving') resolve(record.documents);
    });
  });
  const url = (id, kind = 'mcp') => documents.find((d) => d.id === id)?.adapters?.find((a) => a.kind === kind)?.url;
  const stop = async () => {
    child.kill('SIGTERM');
    const code = await ended;
    if (code !== 0) throw new Error(`capd serve ended with status ${code}`);
  };
  return { documents, url, stop };
}

// run runs a command until it ends, and gives { code, out }: its status and all that it printed.
export function run(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      timeout: patience,
      killSignal: 'SIGKILL',
    });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (out += text));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code: code ?? signal, out }));
  });
}

// each runs work for every item, two at a time.
export async function each(items, work) {
  const left = [...items];
  const worker = async () => {
    while (left.length > 0) await work(left.shift());
  };
  await Promise.all([worker(), worker()]);
}

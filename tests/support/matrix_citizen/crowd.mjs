// Many citizens in one process, each with keys of their own, steered as citizen.mjs is.
import "fake-indexeddb/auto";
import { createInterface } from "node:readline";
import * as sdk from "matrix-js-sdk";
import { OnlySignedDevicesIsolationMode } from "matrix-js-sdk/lib/crypto-api/index.js";
import { logger } from "matrix-js-sdk/lib/logger.js";

logger.setLevel?.("silent");
for (const name of ["log", "info", "warn", "error", "debug", "trace"]) console[name] = () => {};
const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const MEGOLM = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
const people = [];

async function until(wanted, what, milliseconds) {
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    if (wanted()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${what} did not happen`);
}

async function arrive(url, user, password) {
  const identifier = { type: "m.id.user", user };
  const login = await sdk.createClient({ baseUrl: url }).loginRequest({ type: "m.login.password", identifier, password });
  const client = sdk.createClient({ baseUrl: url, userId: login.user_id, deviceId: login.device_id, accessToken: login.access_token, logger });
  await client.initRustCrypto({ useIndexedDB: false });
  await client.getCrypto().bootstrapCrossSigning({
    authUploadDeviceSigningKeys: (make) => make({ type: "m.login.password", identifier, password }),
  });
  client.getCrypto().setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
  const person = { client, read: "", unreadable: 0 };
  client.on("Event.decrypted", (event) => {
    if (event.getSender() === client.getUserId()) return;
    if (event.isDecryptionFailure()) person.unreadable += 1;
    else if (event.getType() === "m.room.message") person.read += event.getContent().body;
  });
  await client.startClient({ initialSyncLimit: 20 });
  await until(() => client.isInitialSyncComplete(), "the first sync", 60000);
  people.push(person);
}

const doing = {
  async start({ url, users, password }) {
    for (let from = 0; from < users.length; from += 6) {
      await Promise.all(users.slice(from, from + 6).map((user) => arrive(url, user, password)));
    }
  },
  async write({ bot, text }) {
    for (const person of people) {
      const made = await person.client.createRoom({ preset: "trusted_private_chat", is_direct: true, invite: [bot], initial_state: [MEGOLM] });
      // Whoever is not seen in the room yet would be given no key.
      const invited = () => person.client.getRoom(made.room_id)?.getMember(bot)?.membership === "invite";
      await until(invited, "the invitation", 60000);
      await person.client.sendEvent(made.room_id, "m.room.message", { msgtype: "m.text", body: text });
    }
  },
  // Waits on as long as answers come: `milliseconds` is the longest silence.
  async answered({ words, milliseconds }) {
    const done = () => people.filter((person) => person.read.includes(words)).length;
    for (let before = -1; done() < people.length && done() > before; ) {
      before = done();
      try {
        await until(() => done() > before, "one more answer", milliseconds);
      } catch {
        /* the numbers say it */
      }
    }
    return { answered: done(), unreadable: people.filter((person) => person.unreadable > 0).length };
  },
};

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { n, do: what, ...given } = JSON.parse(line);
    try {
      tell({ n, ok: (await doing[what](given)) ?? {} });
    } catch (error) {
      tell({ n, error: String(error?.stack ?? error) });
    }
  })
  .on("close", () => process.exit(0));

// A citizen at matrix-js-sdk with Rust crypto, steered by JSON lines: {"n", "do", …} in, {"n", "ok" | "error"} out,
// and every event that can be read as {"event": …}. Message keys are given to cross-signed devices only.
import "fake-indexeddb/auto";
import { createInterface } from "node:readline";
import * as sdk from "matrix-js-sdk";
import { OnlySignedDevicesIsolationMode } from "matrix-js-sdk/lib/crypto-api/index.js";
import { logger } from "matrix-js-sdk/lib/logger.js";

logger.setLevel?.("silent");
for (const name of ["log", "info", "warn", "error", "debug", "trace"]) console[name] = () => {};
const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const MEGOLM = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
let client;
const shown = new Set();

function show(event) {
  if (event.isDecryptionFailure()) {
    return tell({ event: { id: event.getId(), sender: event.getSender(), type: "undecryptable", room: event.getRoomId() } });
  }
  if (event.getType() === "m.room.encrypted" || event.isBeingDecrypted() || shown.has(event.getId())) return;
  if (event.isState()) return;
  shown.add(event.getId());
  tell({
    event: {
      id: event.getId(),
      sender: event.getSender(),
      type: event.getType(),
      room: event.getRoomId(),
      content: event.getContent(),
      relation: event.getWireContent()["m.relates_to"] ?? null,
      encrypted: event.isEncrypted(),
    },
  });
}

async function until(wanted, what) {
  const end = Date.now() + 30000;
  while (Date.now() < end) {
    if (await wanted()) return;
    await new Promise((done) => setTimeout(done, 25));
  }
  throw new Error(`${what} did not happen`);
}

const member = (room, user) => client.getRoom(room)?.getMember(user)?.membership;
const unpadded = (bytes) => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

const doing = {
  async start({ url, user, password }) {
    const identifier = { type: "m.id.user", user };
    const login = await sdk.createClient({ baseUrl: url }).loginRequest({ type: "m.login.password", identifier, password });
    client = sdk.createClient({ baseUrl: url, userId: login.user_id, deviceId: login.device_id, accessToken: login.access_token, logger });
    await client.initRustCrypto();
    const crypto = client.getCrypto();
    await crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: (make) => make({ type: "m.login.password", identifier, password }),
    });
    crypto.setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
    client.on("Room.timeline", show);
    client.on("Event.decrypted", show);
    await client.startClient({ initialSyncLimit: 50 });
    await until(() => client.isInitialSyncComplete(), "the first sync");
    return { user: login.user_id };
  },
  async room({ invite, encrypted = true, version, preset = "trusted_private_chat", direct = true }) {
    const made = await client.createRoom({ preset, is_direct: direct, invite, room_version: version, initial_state: encrypted ? [MEGOLM] : [] });
    // Whoever is not seen in the room yet would be given no key.
    await until(() => invite.every((user) => member(made.room_id, user)), "the invitation");
    return { room: made.room_id };
  },
  async joined({ room, user }) {
    await until(() => member(room, user) === "join", `${user}'s arrival`);
  },
  async left({ room, user }) {
    await until(() => member(room, user) === "leave", `${user}'s departure`);
  },
  async encrypted({ room }) {
    await until(() => client.getRoom(room)?.hasEncryptionStateEvent(), "encryption");
  },
  async text({ room, text, thread, msgtype = "m.text" }) {
    const content = { msgtype, body: text };
    if (thread) content["m.relates_to"] = { rel_type: "m.thread", event_id: thread };
    return { id: (await client.sendEvent(room, "m.room.message", content)).event_id };
  },
  async edit({ room, event, text }) {
    const content = {
      msgtype: "m.text", body: `* ${text}`, "m.new_content": { msgtype: "m.text", body: text },
      "m.relates_to": { rel_type: "m.replace", event_id: event },
    };
    return { id: (await client.sendEvent(room, "m.room.message", content)).event_id };
  },
  async vote({ room, poll, answer, stable = false }) {
    const relation = { "m.relates_to": { rel_type: "m.reference", event_id: poll } };
    const sent = stable
      ? await client.sendEvent(room, "m.poll.response", { ...relation, "m.selections": [answer] })
      : await client.sendEvent(room, "org.matrix.msc3381.poll.response", { ...relation, "org.matrix.msc3381.poll.response": { answers: [answer] } });
    return { id: sent.event_id };
  },
  async send({ room, type, content }) {
    return { id: (await client.sendEvent(room, type, content)).event_id };
  },
  async send_plain({ room, type, content }) {
    const path = `/rooms/${encodeURIComponent(room)}/send/${encodeURIComponent(type)}/${crypto.randomUUID()}`;
    return { id: (await client.http.authedRequest("PUT", path, undefined, content)).event_id };
  },
  async redact({ room, event }) {
    return { id: (await client.redactEvent(room, event)).event_id };
  },
  async file({ room, name, mimetype, data, caption }) {
    const plain = Buffer.from(data, "base64");
    const key = await crypto.subtle.generateKey({ name: "AES-CTR", length: 256 }, true, ["encrypt", "decrypt"]);
    const iv = new Uint8Array(16);
    crypto.getRandomValues(iv.subarray(0, 8));
    const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CTR", counter: iv, length: 64 }, key, plain));
    const { content_uri: url } = await client.uploadContent(new Blob([sealed]), { type: "application/octet-stream" });
    const sha256 = unpadded(await crypto.subtle.digest("SHA-256", sealed));
    const file = { url, v: "v2", key: await crypto.subtle.exportKey("jwk", key), iv: unpadded(iv), hashes: { sha256 } };
    const content = { msgtype: "m.file", body: caption ?? name, filename: name, info: { mimetype, size: plain.length }, file };
    return { id: (await client.sendEvent(room, "m.room.message", content)).event_id };
  },
  async fetch({ file }) {
    const answer = await fetch(client.mxcUrlToHttp(file.url, undefined, undefined, undefined, false, true, true), {
      headers: { Authorization: `Bearer ${client.getAccessToken()}` },
    });
    const sealed = new Uint8Array(await answer.arrayBuffer());
    if (unpadded(await crypto.subtle.digest("SHA-256", sealed)) !== file.hashes.sha256) throw new Error("wrong hash");
    const key = await crypto.subtle.importKey("jwk", file.key, { name: "AES-CTR" }, false, ["decrypt"]);
    const counter = Buffer.from(file.iv, "base64");
    const plain = await crypto.subtle.decrypt({ name: "AES-CTR", counter, length: 64 }, key, sealed);
    return { data: Buffer.from(plain).toString("base64") };
  },
  async devices({ user }) {
    const known = (await client.getCrypto().getUserDeviceInfo([user], true)).get(user) ?? new Map();
    const checked = [];
    for (const device of known.keys()) {
      const status = await client.getCrypto().getDeviceVerificationStatus(user, device);
      checked.push({ device, signed: status?.signedByOwner ?? false });
    }
    return { devices: checked };
  },
  async polls({ room }) {
    return { polls: [...client.getRoom(room).polls.values()].map((poll) => ({ id: poll.pollId, ended: poll.isEnded })) };
  },
  async leave({ room }) {
    await client.leave(room);
  },
  async end() {
    client?.stopClient();
    setTimeout(() => process.exit(0), 10);
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

/** JSON to and from our own server. Whatever goes wrong has a message for the person. */

export class ApiError extends Error {
  /** `status` 0 means that the server was not reached. */
  constructor(
    readonly status: number,
    readonly key: string,
    message: string,
  ) {
    super(message);
  }

  /** Worth another try later: no connection, overload, or a server that is just restarting. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

interface Options {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  /** Milliseconds until the request counts as failed. */
  within?: number;
}

/** Asks `path` and gives its JSON; throws ApiError. */
export async function api<T>(path: string, { method = 'GET', body, within = 15000 }: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(within),
    });
  } catch {
    throw new ApiError(0, 'error.no_connection', '');
  }
  const text = await answer.text();
  const data = parsed(text);
  if (!answer.ok) throw new ApiError(answer.status, String(data?.['error'] ?? ''), String(data?.['message'] ?? ''));
  return data as T;
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    return text ? (JSON.parse(text) as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** A random UUID; `crypto.randomUUID` is missing where the page is not served by https. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
